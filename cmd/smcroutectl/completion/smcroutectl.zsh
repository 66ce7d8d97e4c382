#compdef smcroutectl
# Completion of smcroutectl for zsh: "smcroutectl completion zsh" prints it.
_smcroutectl() {
    local -a replies
    replies=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    compadd -- "${(@)replies:#}"
}
compdef _smcroutectl smcroutectl
