#compdef rustynet
# zsh completion for rustynet; to load it: source <(rustynet completion zsh)
_rustynet() {
  local line
  local -a offers
  for line in "${(@f)$(rustynet complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      :file) _files ;;
      *) offers+=("${line/$'\t'/:}") ;;
    esac
  done
  _describe rustynet offers
}
compdef _rustynet rustynet
