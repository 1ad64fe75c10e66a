package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile is the largest configuration file that is read, in bytes.
const maxFile = 1 << 20

// entry is a setting in a configuration file.
type entry struct {
	name, text string
	line       int
}

// readFile reads a configuration file: YAML, one mapping from names to plain values. The parser itself
// refuses a name that occurs twice.
func readFile(path string) ([]entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("can't read the configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("can't read the configuration: %w", err)
	}
	if len(text) > maxFile {
		return nil, Usage(fmt.Errorf("the configuration %s has more than %d bytes", path, maxFile))
	}
	entries, err := parseFile(path, text)
	if err != nil {
		return nil, Usage(err)
	}
	return entries, nil
}

func parseFile(path string, text []byte) ([]entry, error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, fmt.Errorf("%s is not YAML: %s", path, firstLine(err))
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) == 0 {
		return nil, nil
	}
	top, ok := bodies[0].(*ast.MappingNode)
	if !ok || len(bodies) > 1 {
		return nil, fmt.Errorf("%s: one mapping of settings is allowed, such as \"threads: 2\"", path)
	}
	var entries []entry
	for _, pair := range top.Values {
		e := entry{name: pair.Key.GetToken().Value, line: pair.Key.GetToken().Position.Line}
		if e.text, err = scalar(pair.Value); err != nil {
			return nil, fmt.Errorf("%s:%d: %s: %w", path, e.line, e.name, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// scalar is the text of a plain value as it was written, so that every setting has one parser wherever it
// comes from.
func scalar(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.NullNode:
		return "", nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	}
	return "", errors.New("one value is allowed, not a list or a mapping")
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// WriteYAML writes o as a configuration file that says where each value came from.
func (o *Options) WriteYAML(w io.Writer, from Origins) error {
	var b strings.Builder
	group := ""
	for _, s := range Settings() {
		if s.Group != group {
			if group != "" {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "# %s\n", s.Group)
			group = s.Group
		}
		origin := from[s.Name]
		if origin == "" {
			origin = "default"
		}
		fmt.Fprintf(&b, "%-40s # %s\n", s.Name+": "+quoteYAML(s.In(o).String()), origin)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// quoteYAML puts quotes around a text that YAML would not read back as it is.
func quoteYAML(text string) string {
	plain := text != ""
	for i, r := range text {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && (i == 0 || i == len(text)-1 || !strings.ContainsRune("-_.,:=/+", r)) {
			plain = plain && r == '/' && i == 0
		}
	}
	if plain {
		return text
	}
	return fmt.Sprintf("%q", text)
}
