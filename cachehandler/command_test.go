package cachehandler

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-portico/portico/internal/admin/admintest"
)

func TestCommandExplain(t *testing.T) {
	h := newHandler(t)
	r := func(fields ...string) *http.Request { return get("http://example.com/page", fields...) }
	serve(t, h, r("Accept-Language: de"), answer("hello", "Cache-Control: max-age=600", "Vary: Accept-Language", "Surrogate-Key: one", `Cache-Groups: "g"`))
	serve(t, h, r("Cookie: a=b"), answer("mine", "Cache-Control: private"))

	out, err := admintest.Run(t, setUpCommand, func(w http.ResponseWriter, asked *http.Request) {
		if err := asked.ParseForm(); err != nil || asked.Method != http.MethodPost || asked.URL.RawQuery != "" {
			t.Errorf("asked with %s %s (%v): the log of the endpoint has its URLs", asked.Method, asked.URL, err)
		}
		if asked.Form.Get("url") != "http://example.com/page" || strings.Join(asked.Form["header"], "|") != "Accept-Language: de|X: a,b" || asked.Form.Get("method") != "GET" {
			t.Errorf("asked %v", asked.Form)
		}
		v := h.explain(r("Accept-Language: de"))
		v.Place, v.Hosts = "/apps/http/servers/srv0/routes/0/handle/0", []string{"example.com"}
		_ = json.NewEncoder(w).Encode(explanation{Method: "GET", URL: asked.Form.Get("url"), Handlers: []*verdict{v}, Answers: []string{"reverse_proxy at /x"}, Notes: []string{"a note"}})
	}, "explain", "http://example.com/page", "-H", "Accept-Language: de", "-H", "X: a,b", "-X", "GET")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"GET http://example.com/page\n",
		"Portico at /apps/http/servers/srv0/routes/0/handle/0 (store default, memory) for example.com\n",
		"  HIT: It is answered from the store: the whole response.\n",
		"fresh: The stored response is fresh. (RFC 9111 §4.2)\n",
		"http://example.com/page\n",
		"Stored under the key: 1\n",
		"* 200, 5 bytes, stored ",
		"lifetime 10m0s by max-age in Cache-Control (RFC 9111 §5.2.2.1)\n",
		`Vary: Accept-Language is for "de"; the request's "de" selects it [option vary normalise]` + "\n",
		"for a request with Cookie: private: The response is for one user (RFC 9111 §5.2.2.7); such requests pass for ",
		"A purge of the host example.com drops 1.\n",
		"A purge of the prefix http://example.com/ drops 1.\n",
		"drops 1.\n",
		`Invalidation of the group "g" of http://example.com drops 1.` + "\n",
		`A purge of the tag "one" drops 1.` + "\n",
		"What answers it, if no store does: reverse_proxy at /x\n",
		"Note: a note\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// Who looks for why a response is not shared sees what the cache found out by itself, and
// the option against it.
func TestCommandExplainImplied(t *testing.T) {
	h := newHandler(t)
	serve(t, h, get("http://example.com/", "Origin: https://a.test"), answer("", "Cache-Control: max-age=600", "Vary: Accept-Language", "Access-Control-Allow-Origin: https://a.test"))
	var said []string
	for _, f := range h.explain(get("http://example.com/")).Variants[0].Vary {
		said = append(said, f.sentence())
	}
	want := []string{
		"Vary: Accept-Language is for (none); the request's (none) selects it [option vary normalise]",
		`Vary, though the origin does not say so: Origin is for "https://a.test"; the request's (none) does not select it [option vary ignore]`,
	}
	if !slices.Equal(said, want) {
		t.Errorf("%q, want %q", said, want)
	}
}

// Times are told so that a person can read them, and none that are zero.
func TestCommandExplainTimes(t *testing.T) {
	for _, c := range []struct {
		v    variant
		want string
	}{
		{variant{TTL: 56, OnError: 3600}, "fresh for 56s, then used stale for 1h0m0s if the origin fails"},
		{variant{TTL: 31536000 - 3, Revalidate: 86400}, "fresh for 364d23h59m57s, then used stale for 1d while it is refreshed"},
		{variant{TTL: -2, Revalidate: 60, OnError: 3600}, "stale for 2s, used stale for 1m0s while it is refreshed, for 1h0m0s if the origin fails"},
		{variant{TTL: 0}, "fresh for 0s, then not used stale"},
	} {
		if said := c.v.usable(); said != c.want {
			t.Errorf("%+v: %s, want %s", c.v, said, c.want)
		}
	}
}

// Of the handlers that the request does not come to, a person sees those that may have been
// meant, however many sites there are.
func TestCommandExplainOthers(t *testing.T) {
	e := explanation{Method: "GET", URL: "https://mine.test:8443/"}
	for i := range 100 {
		e.Others = append(e.Others, elsewhere{Place: "/apps/http/servers/srv0/routes/0/handle/0", Name: "n", Store: "default", Hosts: []string{fmt.Sprintf("%d.test", i)}})
	}
	e.Others = append(e.Others,
		elsewhere{Place: "/apps/http/servers/srv0/errors/routes/0/handle/0", Name: "everybody's", Store: "default"},
		elsewhere{Place: "/apps/http/servers/srv0/routes/1/handle/0", Name: "mine", Store: "default", Hosts: []string{"a.test", "Mine.test"}},
		elsewhere{Place: "/apps/http/servers/srv0/routes/2/handle/0", Name: "ours", Store: "default", Hosts: []string{"*.test"}})
	out, err := admintest.Run(t, setUpCommand, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(e) }, "explain", "https://mine.test/")
	const want = "Not on its way: mine (store default) at /apps/http/servers/srv0/routes/1/handle/0 for a.test Mine.test\n" +
		"Not on its way: ours (store default) at /apps/http/servers/srv0/routes/2/handle/0 for *.test\n" +
		"On the way of errors only: everybody's (store default) at /apps/http/servers/srv0/errors/routes/0/handle/0\n" +
		"Not on its way: n (store default) at /apps/http/servers/srv0/routes/0/handle/0 for 0.test\n"
	if err != nil || !strings.Contains(out, want) || !strings.Contains(out, "Not on its way: 95 more, which --json lists\n") || strings.Count(out, "\n") > 15 {
		t.Errorf("%v, printed\n%s", err, out)
	}
}

func TestCommandJSON(t *testing.T) {
	out, err := admintest.Run(t, setUpCommand, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"as":"it is"}`)) },
		"explain", "http://example.com/", "--json")
	if out != `{"as":"it is"}` || err != nil {
		t.Errorf("printed %q, %v", out, err)
	}
}

func TestCommandStats(t *testing.T) {
	out, err := admintest.Run(t, setUpCommand, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/response_cache/stats" {
			t.Errorf("asked %s %s", r.Method, r.URL)
		}
		_, _ = w.Write([]byte(`{"stores":[{"store":"default","tier":"memory","objects":12,"bytes":2048,"budget":1048576,"evictions":3}]}`))
	}, "stats")
	if want := "default (memory): 12 responses in 2.0 KiB of 1.0 MiB, 3 dropped to make room\n"; out != want || err != nil {
		t.Errorf("printed %q, %v; want %q", out, err, want)
	}
}

func TestCommandFails(t *testing.T) {
	refuses := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"error":"no"}`, http.StatusBadRequest) }
	if _, err := admintest.Run(t, setUpCommand, refuses, "explain", "x"); err == nil || err.Error() != "no" {
		t.Errorf("error = %v, want the endpoint's", err)
	}
	nonsense := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }
	for _, command := range [][]string{{"explain", "x"}, {"stats"}} {
		if _, err := admintest.Run(t, setUpCommand, nonsense, command...); err == nil {
			t.Errorf("%v: no error for an answer that is none", command)
		}
	}
	if _, err := admintest.Run(t, setUpCommand, nonsense, "explain"); err == nil {
		t.Error("explain without a URL: no error")
	}
	if out, err := admintest.Run(t, setUpCommand, nonsense, "expalin", "x"); err == nil || out != "" {
		t.Errorf("a command that there is not: no error, but %s", out)
	}
	if out, err := admintest.Run(t, setUpCommand, nonsense); err != nil || !strings.Contains(out, "explain") {
		t.Errorf("no command: %v, and no help, but %s", err, out)
	}
}
