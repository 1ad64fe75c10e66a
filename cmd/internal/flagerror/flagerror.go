// Package flagerror says what is wrong with a command line, in the form that its flags are written in.
package flagerror

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// Text is the sentence for an error that the command-line package found while it read these flags.
func Text(flags []cli.Flag, err error) string {
	text := strings.Replace(err.Error(), "for flag -", "for flag --", 1)
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return fmt.Sprintf("unknown flag --%s", strings.TrimLeft(name, "-")) + meant(flags, strings.TrimLeft(name, "-"))
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return fmt.Sprintf("the flag --%s needs a value", strings.TrimLeft(name, "-"))
	}
	return text
}

// meant suggests a flag. The nearest may be far off, so only one that begins alike or holds the name is.
func meant(flags []cli.Flag, name string) string {
	near := cli.SuggestFlag(flags, name, false)
	flag := strings.TrimLeft(near, "-")
	alike := len(name) > 1 && strings.HasPrefix(flag, name[:2]) || len(name) > 2 && strings.Contains(flag, name) || len(flag) > 2 && strings.Contains(name, flag)
	if !alike || flag == "help" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", near)
}
