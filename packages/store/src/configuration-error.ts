/** The operator's settings cannot be used: exit code 3. The message names the setting, its value and what was expected. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly code = 'ERR_CONFIGURATION';
}
