/**
 * completion-scripts are what the shells load. Each hands the words to `rustynet complete` and takes
 * lines of `word<TAB>meaning` back; the line `:file` asks for the shell's own files.
 */

const bash = `# bash completion for rustynet; to load it: source <(rustynet completion bash)
_rustynet() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :file ]]; then
      compopt -o default 2>/dev/null
    else
      COMPREPLY+=("\${line%%$'\\t'*}")
    fi
  done < <(rustynet complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _rustynet rustynet
`;

const zsh = `#compdef rustynet
# zsh completion for rustynet; to load it: source <(rustynet completion zsh)
_rustynet() {
  local line
  local -a offers
  for line in "\${(@f)$(rustynet complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      :file) _files ;;
      *) offers+=("\${line/$'\\t'/:}") ;;
    esac
  done
  _describe rustynet offers
}
compdef _rustynet rustynet
`;

const fish = `# fish completion for rustynet; to load it: rustynet completion fish | source
function __rustynet_complete
    set -l words (commandline -opc)[2..]
    set -l current (commandline -ct)
    for line in (rustynet complete -- $words "$current" 2>/dev/null)
        if test "$line" = :file
            __fish_complete_path "$current"
        else
            printf '%s\\n' $line
        end
    end
end
complete -c rustynet -f -a '(__rustynet_complete)'
`;

export const completionScripts = { bash, zsh, fish } as const;
