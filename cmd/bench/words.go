package main

import (
	"fmt"
	"strings"
)

// words splits a command as a shell does, with quotes and backslashes and nothing else: for more, a user
// runs sh -c '...'.
func words(text string) ([]string, error) {
	var all []string
	var word strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if inWord {
				all = append(all, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("the command %q ends inside a quote", text)
	}
	if inWord {
		all = append(all, word.String())
	}
	return all, nil
}
