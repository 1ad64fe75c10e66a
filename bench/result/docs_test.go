package result

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestEveryFieldIsDocumented keeps docs/results.md and the schema the same.
func TestEveryFieldIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/results.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || seen[of] || of == reflect.TypeFor[Histogram]() || of == reflect.TypeFor[time.Time]() {
			return
		}
		seen[of] = true
		for i := range of.NumField() {
			field := of.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "" {
				t.Errorf("%s.%s has no name in the file", of.Name(), field.Name)
			}
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("docs/results.md doesn't describe %q of %s", name, of.Name())
			}
			walk(field.Type)
		}
	}
	walk(reflect.TypeFor[File]())
	if len(seen) < 8 {
		t.Errorf("only %d types were looked at", len(seen))
	}
}
