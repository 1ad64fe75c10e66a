package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
)

// Every link between the pages leads somewhere, to its heading too.
func TestLinksLeadSomewhere(t *testing.T) {
	checked := 0
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			checked++
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s, which isn't there", page, m[1])
				continue
			}
			if anchor != "" && !hasHeading(read(t, file), anchor) {
				t.Errorf("%s links to %s, but %s has no such heading", page, m[1], file)
			}
		}
	}
	if checked < 5 {
		t.Errorf("only %d links were checked", checked)
	}
}

// Every page below docs can be reached from the README, at most by way of another page.
func TestNoPageIsAnOrphan(t *testing.T) {
	linked := map[string]bool{absolute(t, "../README.md"): true}
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			linked[absolute(t, filepath.Join(filepath.Dir(page), target))] = true
		}
	}
	for _, page := range pages(t) {
		if at := absolute(t, page); !linked[at] && !linked[filepath.Dir(at)] {
			t.Errorf("no page links to %s", page)
		}
	}
}

// pages are the README and the pages below docs, as paths from here.
func pages(t *testing.T) []string {
	t.Helper()
	all := []string{"../README.md"}
	for _, pattern := range []string{"*.md", "*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// hasHeading says whether a page has a heading with this anchor: small letters, spaces as hyphens, no
// punctuation.
func hasHeading(page, anchor string) bool {
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		slug := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(m[1])), " ", "-")
		slug = regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(slug, "")
		if slug == anchor {
			return true
		}
	}
	return false
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
