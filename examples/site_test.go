// Package examples_test runs the configurations of this directory as they are:
// the demo with nothing else, the others in front of the real Apache httpd and
// the real PHP-FPM of Debian, which the tests start themselves, on free ports
// and sockets, with configurations of their own.
//
// Each shows the same things: what is cached is fetched once; what is asked
// for by many at once is fetched once; what has expired is validated; and
// cookies, sessions, uploads, ranges and HEAD are as they are without Portico.
package examples_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/dunglas/httpsfv"

	_ "github.com/caddy-portico/portico"
	"github.com/caddy-portico/portico/internal/loopback"
)

// patience bounds every wait for another process. Nothing is expected to take
// that long: a test that reaches it has failed.
const patience = 60 * time.Second

// site is Caddy in this process, serving one of the examples.
type site struct {
	t      *testing.T
	base   string // http://host:port
	admin  string // http://host:port
	client *http.Client
}

// startSite runs an example until the test ends. Its address goes into the
// environment as SITE and SITE_PORT; the caller sets what else the example
// takes from there.
func startSite(t *testing.T, example string) *site {
	t.Helper()
	addr, admin := freeAddr(t), freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	t.Setenv("SITE", "http://"+addr)
	t.Setenv("SITE_PORT", port)
	config := adapt(t, example)
	config["admin"] = map[string]any{"listen": admin, "config": map[string]any{"persist": false}}
	config["storage"] = map[string]any{"module": "file_system", "root": t.TempDir()}
	config["logging"] = map[string]any{"logs": map[string]any{"default": map[string]any{
		"level": "WARN", "writer": map[string]any{"output": "file", "filename": filepath.Join(t.TempDir(), "caddy.log")},
	}}}
	bytes, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(bytes, true); err != nil {
		t.Fatalf("loading %s: %v", example, err)
	}
	s := &site{t: t, base: "http://" + addr, admin: "http://" + admin, client: newClient(t)}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
	})
	return s
}

// adapt turns the example into JSON. A warning, such as one about formatting,
// is an error here: people copy these files.
func adapt(t *testing.T, example string) map[string]any {
	t.Helper()
	file := filepath.FromSlash(example + "/Caddyfile")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": file})
	if err != nil {
		t.Fatalf("adapting %s: %v", file, err)
	}
	for _, w := range warnings {
		t.Errorf("%s: %s", file, w.String())
	}
	var config map[string]any
	if err := json.Unmarshal(adapted, &config); err != nil {
		t.Fatal(err)
	}
	return config
}

// newClient returns a client that shows answers as they are: nothing
// decompressed, no redirect followed.
func newClient(t *testing.T) *http.Client {
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       patience,
	}
}

// reply is an answer that arrived whole.
type reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// get asks for a path; fields are "Name: value".
func (s *site) get(path string, fields ...string) reply {
	s.t.Helper()
	return s.do(http.MethodGet, path, nil, fields...)
}

func (s *site) do(method, path string, body []byte, fields ...string) reply {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	return s.send(s.client, req, fields...)
}

func (s *site) send(client *http.Client, req *http.Request, fields ...string) reply {
	s.t.Helper()
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		req.Header.Add(name, value)
	}
	got, err := fetch(client, req)
	if err != nil {
		s.t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	return got
}

func fetch(client *http.Client, req *http.Request) (reply, error) {
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, body}, err
}

// cacheStatus is Portico's member of Cache-Status (RFC 9211 §2): the last one,
// as the cache nearest to the client appends itself.
func (r reply) cacheStatus(t *testing.T) *httpsfv.Params {
	t.Helper()
	list, err := httpsfv.UnmarshalList(r.Header.Values("Cache-Status"))
	if err != nil || len(list) == 0 {
		t.Fatalf("Cache-Status %q: %v", r.Header.Values("Cache-Status"), err)
	}
	item, ok := list[len(list)-1].(httpsfv.Item)
	if !ok || item.Value != httpsfv.Token("Portico") {
		t.Fatalf("Cache-Status %q does not end with Portico's member", r.Header.Values("Cache-Status"))
	}
	return item.Params
}

func (r reply) hit(t *testing.T) bool {
	t.Helper()
	value, _ := r.cacheStatus(t).Get("hit")
	return value == true
}

// forwarded is the parameter fwd: why the request went to the origin, "" if it
// did not.
func (r reply) forwarded(t *testing.T) string {
	t.Helper()
	value, _ := r.cacheStatus(t).Get("fwd")
	token, _ := value.(httpsfv.Token)
	return string(token)
}

// want fails the test unless the answer has that status and body.
func (r reply) want(t *testing.T, status int, body string) {
	t.Helper()
	if r.Status != status || string(r.Body) != body {
		t.Errorf("answer = %d %.200q, want %d %.200q (%v)", r.Status, r.Body, status, body, r.Header)
	}
}

// unpack is the body of an answer with Content-Encoding: gzip.
func unpack(t *testing.T, r reply) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(r.Body))
	if err != nil {
		t.Fatalf("not gzip: %v (%d %v)", err, r.Status, r.Header)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatalf("unpacking: %v", err)
	}
	return string(text)
}

// freeAddr is a loopback address nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := loopback.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// eventually polls for a state of another process.
func eventually(t *testing.T, what string, state func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(patience)
	for !state() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}
