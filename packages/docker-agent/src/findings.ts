/** A value that counts, and where it comes from: a label, an option, or in words. */
export interface Sourced<T> {
  readonly value: T;
  readonly from: string;
}

/** One thing that went into a decision, for whoever asks why. */
export interface Fact extends Sourced<string> {
  readonly what: string;
}

export interface LabelProblem {
  /** The label, or what of the container it is about. */
  readonly label: string;
  /** Names the value and what was expected. */
  readonly message: string;
}

/**
 * What is found on the way to one decision. The same steps that decide note here what they went by, so that the
 * explanation cannot say anything else than what was done.
 */
export class Findings {
  readonly facts: Fact[] = [];
  readonly problems: LabelProblem[] = [];
  #refusal: string | undefined;

  fact(what: string, value: string | number | boolean, from: string): void {
    this.facts.push({ what, value: String(value), from });
  }

  problem(label: string, message: string): void {
    this.problems.push({ label, message });
  }

  /** The answer is no; with a label, that is a problem as well. @returns undefined, for the decision to return */
  refuse(why: string, label?: string): undefined {
    this.#refusal = why;
    if (label !== undefined) this.problem(label, why);
  }

  /** Why the answer is no. */
  get refusal(): string | undefined {
    return this.#refusal;
  }
}
