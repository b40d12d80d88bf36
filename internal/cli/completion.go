package cli

import (
	"context"
	"fmt"
	"strings"
)

// Shells are those that Completion knows.
const Shells = "bash,zsh,fish"

// completionPrograms are the programs that the scripts are for.
var completionPrograms = []string{"nanofront", "terminator", "handler", "bench"}

// VersionCommand is the command version.
type VersionCommand struct{}

// Completion is the command completion: it prints what a shell needs to complete the
// commands, flags and values of all programs. They are asked each time, so a
// script fits every version.
type Completion struct {
	Shell string `arg:"" oneof:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Help implements kong.HelpProvider.
func (*Completion) Help() string {
	return "bash: source <(nanofront completion bash), in ~/.bashrc\n\n" +
		"zsh: source <(nanofront completion zsh), in ~/.zshrc, after compinit\n\n" +
		"fish: nanofront completion fish | source, in ~/.config/fish/config.fish"
}

// Run prints the script.
func (c *Completion) Run(_ context.Context, std IO) error {
	_, err := fmt.Fprint(std.Out, completionScript(c.Shell))
	return err
}

func completionScript(shell string) string {
	programs := strings.Join(completionPrograms, " ")
	switch shell {
	case "zsh":
		return strings.ReplaceAll(zshScript, "PROGRAMS", programs)
	case "fish":
		return strings.ReplaceAll(fishScript, "PROGRAMS", programs)
	}
	return strings.ReplaceAll(bashScript, "PROGRAMS", programs)
}

const bashScript = `# Completion of nanofront's programs for bash.
_nanofront_complete() {
    local line word=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    while IFS= read -r line; do
        if [ "$line" = :files ]; then
            [ "$word" = = ] && word=
            compopt -o filenames
            while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$word")
        else
            COMPREPLY+=("${line%%$'\t'*}")
        fi
    done < <("${COMP_WORDS[0]}" __complete bash "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _nanofront_complete PROGRAMS
`

const zshScript = `#compdef PROGRAMS
# Completion of nanofront's programs for zsh.
_nanofront_complete() {
    local line files
    local -a candidates
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            files=1
        else
            line=${line//:/\\:}
            candidates+=("${line/$'\t'/:}")
        fi
    done < <("${words[1]}" __complete zsh "${(@)words[2,CURRENT]}" 2>/dev/null)
    [[ -n $files ]] && { [[ $PREFIX == --*=* ]] && compset -P '*='; _files; return }
    _describe 'nanofront' candidates
}
compdef _nanofront_complete PROGRAMS
`

const fishScript = `# Completion of nanofront's programs for fish.
function __nanofront_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    for line in ($words[1] __complete fish $words[2..-1] "$word" 2>/dev/null)
        if test "$line" = :files
            set -l before (string match -r -- '^--[^=]*=' "$word")
            for file in (__fish_complete_path (string replace -r -- '^--[^=]*=' '' "$word"))
                echo "$before$file"
            end
        else
            echo $line
        end
    end
end
for program in PROGRAMS
    complete -c $program -f -a '(__nanofront_complete)'
end
`
