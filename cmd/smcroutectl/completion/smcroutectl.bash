# Completion of smcroutectl for bash: "smcroutectl completion bash" prints it.
_smcroutectl() {
    # COMP_WORDS cuts IPv6 addresses at their colons.
    local line=${COMP_LINE:0:COMP_POINT} IFS=$' \t\n' words current
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[${#words[@]} - 1]}
    mapfile -t COMPREPLY < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*:}"}"}")
    fi
}
complete -F _smcroutectl smcroutectl
