# fish completion for rustynet; to load it: rustynet completion fish | source
function __rustynet_complete
    set -l words (commandline -opc)[2..]
    set -l current (commandline -ct)
    for line in (rustynet complete -- $words "$current" 2>/dev/null)
        if test "$line" = :file
            __fish_complete_path "$current"
        else
            printf '%s\n' $line
        end
    end
end
complete -c rustynet -f -a '(__rustynet_complete)'
