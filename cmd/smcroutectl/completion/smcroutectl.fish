# Completion of smcroutectl for fish: "smcroutectl completion fish" prints it.
function __smcroutectl_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c smcroutectl -f -a '(__smcroutectl_complete)'
