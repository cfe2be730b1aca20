/**
 * What a shell runs at TAB. All of it is decided by `clusterf completion words`, so that what is offered is what the
 * installed version takes; where that offers nothing the shell offers files.
 */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** @param commands whose words are completed */
export function completionScript(shell: Shell, commands: readonly string[]): string {
  return SCRIPTS[shell](commands);
}

const SCRIPTS: Readonly<Record<Shell, (commands: readonly string[]) => string>> = {
  bash: (commands) => `# bash completion for clusterf: source <(clusterf completion bash)
_clusterf() {
  local line word
  # As they are typed, with a backslash before a space.
  local words=("\${COMP_WORDS[@]:0:COMP_CWORD+1}")
  COMPREPLY=()
  while IFS= read -r line; do
    printf -v word %q "\${line%%$'\\t'*}"
    COMPREPLY+=("$word")
  done < <(clusterf completion words -- "\${words[@]//\\\\/}" 2>/dev/null)
  if [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == */ ]]; then compopt -o nospace; fi
}
complete -o default -F _clusterf ${commands.join(' ')}
`,
  zsh: (commands) => `#compdef ${commands.join(' ')}
# zsh completion for clusterf: source <(clusterf completion zsh)
_clusterf() {
  local line word
  local -a names shown paths
  while IFS= read -r line; do
    word=\${line%%$'\\t'*}
    if [[ $word == */ ]]; then paths+=("$word"); continue; fi
    names+=("$word")
    if [[ $line == *$'\\t'* ]]; then shown+=("$word  \${line#*$'\\t'}"); else shown+=("$word"); fi
  done < <(clusterf completion words -- "\${(@Q)words[1,CURRENT]}" 2>/dev/null)
  if (( \${#names} + \${#paths} == 0 )); then _files; return; fi
  if (( \${#paths} )); then compadd -S '' -a paths; fi
  if (( \${#names} )); then compadd -l -d shown -a names; fi
}
if [[ $funcstack[1] == _clusterf ]]; then _clusterf "$@"; else compdef _clusterf ${commands.join(' ')}; fi
`,
  fish: (commands) => `# fish completion for clusterf: clusterf completion fish | source
function __clusterf_words
  set -l found (clusterf completion words -- (commandline -opc) (commandline -ct | string unescape) 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
${commands.map((command) => `complete -c ${command} -f -a '(__clusterf_words)'`).join('\n')}
`,
};
