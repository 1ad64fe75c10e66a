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

var errNoObject = errors.New("the body must be a JSON object such as {\"max-packet\": \"64KiB\"}")

// readPatch reads a JSON object whose values are texts, numbers or truth values. It goes token by token, because
// of a name that is there twice one value would be lost.
func readPatch(body io.Reader) (map[string]string, error) {
	d := json.NewDecoder(body)
	d.UseNumber()
	if open, err := d.Token(); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %w", errNoObject, err)
	} else if open != json.Delim('{') {
		return nil, errNoObject
	}
	values := map[string]string{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoObject, err)
		}
		name := key.(string) // the decoder takes nothing else for a key
		value, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoObject, err)
		}
		if _, twice := values[name]; twice {
			return nil, fmt.Errorf("%q is there twice", name)
		}
		switch v := value.(type) {
		case string, json.Number, bool:
			values[name] = fmt.Sprint(v)
		default:
			return nil, fmt.Errorf("%q must be a text or a number", name)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoObject, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the body must be one JSON object and nothing else")
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
