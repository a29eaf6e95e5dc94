package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/caddy-portico/portico/internal/loopback"
)

// site is one site of the Caddy under test, on a port of its own.
type site struct {
	name       string
	directives string
}

// cached and proxied are the two sites most benchmarks compare.
func (b *bench) cached(options string) site {
	return site{"response_cache", "response_cache " + options + "\nreverse_proxy " + b.origin.Addr}
}

func (b *bench) proxied() site {
	return site{"reverse_proxy", "reverse_proxy " + b.origin.Addr}
}

// storeOf is the global option for a store with this tier.
func storeOf(tier string) string {
	return "\tresponse_cache {\n\t\tstore {\n\t\t\t" + tier + "\n\t\t}\n\t}\n"
}

// startCaddy runs the Caddy under test with these sites and global options.
// edit may change the adapted JSON.
func (b *bench) startCaddy(options string, edit func(any), sites ...site) (*server, []contestant, error) {
	admin, err := loopback.FreeAddr()
	if err != nil {
		return nil, nil, err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "{\n\tadmin %s\n\tauto_https off\n\tdefault_bind 127.0.0.1\n\tpersist_config off\n\tlog {\n\t\tlevel ERROR\n\t}\n", admin)
	text.WriteString(options + "}\n")
	contestants := make([]contestant, len(sites))
	for i, s := range sites {
		addr, err := loopback.FreeAddr()
		if err != nil {
			return nil, nil, err
		}
		contestants[i] = contestant{name: s.name, addr: addr}
		fmt.Fprintf(&text, "http://%s {\n%s\n}\n", addr, s.directives)
	}
	config, err := b.adapt(text.String(), edit)
	if err != nil {
		return nil, nil, err
	}
	s, err := b.start("caddy", contestants[0].addr, b.caddyEnv(), b.caddy, "run", "--config", config)
	if err != nil {
		return nil, nil, err
	}
	s.admin = admin
	for i := range contestants {
		contestants[i].server = s
	}
	return s, contestants, nil
}

// caddyEnv keeps Caddy's data in the temporary directory. GOMAXPROCS is what
// Caddy would choose by itself; it is written out for platforms without
// affinity.
func (b *bench) caddyEnv() []string {
	return []string{
		"HOME=" + b.dir, "XDG_DATA_HOME=" + b.dir, "XDG_CONFIG_HOME=" + b.dir,
		"GOMAXPROCS=" + strconv.Itoa(b.cpus.serverCount()),
	}
}

// adapt turns the Caddyfile into a JSON file, edited.
func (b *bench) adapt(caddyfile string, edit func(any)) (string, error) {
	source := filepath.Join(b.dir, "Caddyfile")
	if err := os.WriteFile(source, []byte(caddyfile), 0o644); err != nil {
		return "", err
	}
	cmd := exec.Command(b.caddy, "adapt", "--adapter", "caddyfile", "--config", source)
	cmd.Env = append(os.Environ(), b.caddyEnv()...)
	var problems strings.Builder
	cmd.Stderr = &problems
	adapted, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("caddy adapt: %s", message(problems.String()))
	}
	var config any
	if err := json.Unmarshal(adapted, &config); err != nil {
		return "", fmt.Errorf("caddy adapt: %w", err)
	}
	if edit != nil {
		edit(config)
	}
	text, err := json.Marshal(config)
	if err != nil {
		return "", err
	}
	target := filepath.Join(b.dir, "caddy.json")
	return target, os.WriteFile(target, text, 0o644)
}

// message is the text of the last line that Caddy logged.
func message(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	last := lines[len(lines)-1]
	var entry struct {
		Msg string `json:"msg"`
	}
	if json.Unmarshal([]byte(last), &entry) == nil && entry.Msg != "" {
		return entry.Msg
	}
	return last
}

// respondWith gives every static_response of a config these header fields:
// the cheapest way Caddy has to send them, so the strictest comparison.
func respondWith(h http.Header) func(any) {
	var walk func(any)
	walk = func(node any) {
		switch n := node.(type) {
		case []any:
			for _, child := range n {
				walk(child)
			}
		case map[string]any:
			if n["handler"] == "static_response" {
				n["headers"] = h
			}
			for _, child := range n {
				walk(child)
			}
		}
	}
	return walk
}

// mallocs is how many heap objects the server has allocated so far; NaN for
// servers that cannot tell.
func (s *server) mallocs() float64 {
	if s.admin == "" {
		return math.NaN()
	}
	resp, err := http.Get("http://" + s.admin + "/debug/vars")
	if err != nil {
		return math.NaN()
	}
	defer resp.Body.Close()
	var vars struct {
		Memstats struct{ Mallocs float64 } `json:"memstats"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&vars); err != nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		return math.NaN()
	}
	return vars.Memstats.Mallocs
}
