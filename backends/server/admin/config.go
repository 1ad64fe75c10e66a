package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"echosrv/backends/server"
)

// maxPatch is the largest body of a PATCH, in bytes.
const maxPatch = 64 << 10

func getConfig(s *server.Server) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		o := s.Options()
		values := map[string]string{}
		for _, setting := range server.Settings() {
			values[setting.Name] = setting.In(&o).String()
		}
		writeJSON(w, values)
	}
}

// patchConfig answers with what changed.
func patchConfig(s *server.Server) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			http.Error(w, "the Content-Type must be application/json", http.StatusUnsupportedMediaType)
			return
		}
		values, err := readPatch(http.MaxBytesReader(w, r.Body, maxPatch))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		changes, err := s.Update(values)
		if err != nil {
			http.Error(w, strings.ReplaceAll(err.Error(), "\n", "; "), http.StatusBadRequest)
			return
		}
		if changes == nil {
			changes = []server.Change{}
		}
		writeJSON(w, changes)
	}
}

// readPatch reads a JSON object whose values are texts, numbers or truth values.
func readPatch(body io.Reader) (map[string]string, error) {
	d := json.NewDecoder(body)
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil, fmt.Errorf("the body must be a JSON object such as {\"max-packet\": \"64KiB\"}: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the body must be one JSON object and nothing else")
	}
	values := map[string]string{}
	for name, value := range fields {
		switch v := value.(type) {
		case string:
			values[name] = v
		case json.Number, bool:
			values[name] = fmt.Sprint(v)
		default:
			return nil, fmt.Errorf("%q must be a text or a number", name)
		}
	}
	return values, nil
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	e.Encode(value)
}
