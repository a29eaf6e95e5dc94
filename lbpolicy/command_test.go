package lbpolicy

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-portico/portico/internal/admin/admintest"
)

// Each command asks for one thing and prints the answer for people.
func TestCommands(t *testing.T) {
	const (
		state   = `{"address":"10.0.0.5:80","in_flight":3,"latency_ms":12.34,"success_rate":0.995,"weight":2,"queue":1}`
		drained = `{"address":"unix//run/a.sock","success_rate":1,"weight":1,"drain":true}`
		ejected = `{"address":"b:80","success_rate":0.5,"weight":1,"ejected":{"reason":"errors","until":"2026-01-01T01:02:03Z"}}`
	)
	tests := []struct {
		name   string
		args   []string
		asked  string // method, path and body
		answer string
		out    string // a line, its columns separated by one space
	}{
		{"list", []string{"list"}, "GET /load_balancing/upstreams ", "[" + state + "]", "10.0.0.5:80 12.3ms 3 99.5% 2 1 in"},
		{"list of a drained one", []string{"list"}, "GET /load_balancing/upstreams ", "[" + drained + "]", "unix//run/a.sock unknown 0 100.0% 1 0 draining"},
		{"list of an ejected one", []string{"list"}, "GET /load_balancing/upstreams ", "[" + ejected + "]", "b:80 unknown 0 50.0% 1 0 ejected until 01:02:03 (errors)"},
		{"list as JSON", []string{"list", "--json"}, "GET /load_balancing/upstreams ", "[" + state + "]", "[" + state + "]"},
		{"weight", []string{"weight", "10.0.0.5:80", "2"}, `PATCH /load_balancing/upstreams/10.0.0.5:80 {"weight":2}`, state, "10.0.0.5:80 12.3ms 3 99.5% 2 1 in"},
		{"weight as configured", []string{"weight", "10.0.0.5:80", "default"}, `PATCH /load_balancing/upstreams/10.0.0.5:80 {"weight":null}`, state, ""},
		{"drain", []string{"drain", "unix//run/a.sock"}, `PATCH /load_balancing/upstreams/unix%2F%2Frun%2Fa.sock {"drain":true}`, drained, "unix//run/a.sock unknown 0 100.0% 1 0 draining"},
		{"drain no more", []string{"drain", "10.0.0.5:80", "--off"}, `PATCH /load_balancing/upstreams/10.0.0.5:80 {"drain":false}`, state, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked string
			out, err := admintest.Run(t, setUpCommand, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				asked = r.Method + " " + r.RequestURI + " " + string(body)
				_, _ = io.WriteString(w, tt.answer)
			}, tt.args...)
			if err != nil || asked != tt.asked {
				t.Errorf("asked %s (%v), want %s", asked, err, tt.asked)
			}
			if columns := strings.Join(strings.Fields(out), " "); !strings.HasSuffix(columns, tt.out) {
				t.Errorf("no %q in:\n%s", tt.out, out)
			}
		})
	}
}

// What is no command, or no weight, is not asked; a refusal is an error that says
// what the endpoint said.
func TestCommandRefused(t *testing.T) {
	for _, args := range [][]string{
		{"list", "a"}, {"weight", "a:80"}, {"weight", "a:80", "-1"}, {"weight", "a:80", "many"}, {"weight", "", "1"}, {"drain"}, {"drain", ""}, {"drain", "a:80", "--on"},
	} {
		if _, err := admintest.Run(t, setUpCommand, func(http.ResponseWriter, *http.Request) { t.Errorf("%q was asked", args) }, args...); err == nil {
			t.Errorf("%q is no error", args)
		}
	}
	for _, args := range [][]string{{"list"}, {"weight", "a:80", "1"}, {"drain", "a:80"}} {
		_, err := admintest.Run(t, setUpCommand, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"error":"the reason"}`, http.StatusNotFound)
		}, args...)
		if err == nil || !strings.Contains(err.Error(), "the reason") {
			t.Errorf("%q: %v", args, err)
		}
	}
}
