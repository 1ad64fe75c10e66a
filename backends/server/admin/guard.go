package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"echosrv/backends/server"
)

// guard decides who may ask.
//
// Without a token the server is on a loopback address, and everybody on the machine may ask. A web page in a
// browser there may not: it would have a Host that is its own name (when it has that name resolve to the
// loopback address), which is refused for every request, or an Origin that isn't the Host, which is refused
// where a request changes something; what such a page may ask else, the browser doesn't let it read.
//
// With a token every request must have it, as a bearer token or as the password of basic authentication
// (which browsers ask for); but not those for health and readiness, which tell nothing else.
type guard struct {
	token string
}

// Lengths of a token, in bytes: enough that it can't be guessed, and no more than fits into a header.
const (
	minToken = 16
	maxToken = 4 << 10
)

// readToken reads the token in a file, without the white space around it. No path is no token.
func readToken(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("can't read the admin token: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", fmt.Errorf("can't read the admin token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < minToken || len(text) > maxToken {
		return "", server.Usage(fmt.Errorf("the admin token in %s has %d bytes, %d to %d are allowed", path, len(token), minToken, maxToken))
	}
	return token, nil
}

// protect lets through to next what may pass.
func (g guard) protect(next http.Handler) http.Handler {
	sameOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("X-Frame-Options", "DENY")
		if g.token == "" && !localHost(r.Host) {
			http.Error(w, "the Host header must be an IP address or localhost", http.StatusForbidden)
			return
		}
		if err := sameOrigin.Check(r); err != nil {
			http.Error(w, "requests from other web pages may not change anything", http.StatusForbidden)
			return
		}
		probe := r.URL.Path == "/healthz" || r.URL.Path == "/readyz"
		if g.token != "" && !probe && !g.knows(r) {
			w.Header().Set("WWW-Authenticate", `Basic realm="echosrv admin", charset="UTF-8"`)
			http.Error(w, "the token is missing or wrong: send it as a bearer token, or as a password with any name", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// localHost reports whether a Host header names this machine in a way that no name server has a say in.
func localHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil
}

// knows reports whether a request has the token. The time that it takes tells nothing of the token.
func (g guard) knows(r *http.Request) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		_, given, _ = r.BasicAuth()
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(g.token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
