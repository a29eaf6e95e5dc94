package portico_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestForetoldRoutes asks explain which handlers of random sites a request comes to,
// and what answers it, and compares that with the members of Cache-Status that the
// handlers add and with who answered.
//
// FORETOLD plays other seeds, as for TestForetold.
func TestForetoldRoutes(t *testing.T) {
	first, last := seeds(t, 12)
	for seed := first; seed <= last; seed++ {
		t.Run(strconv.Itoa(seed), func(t *testing.T) { foretellRoutes(t, uint64(seed)) })
	}
}

func foretellRoutes(t *testing.T, seed uint64) {
	origin := startOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("ETag", `"v1"`)
		_, _ = io.WriteString(w, "hello")
	})
	leave := startOrigin(t, func(http.ResponseWriter, *http.Request) {})
	m := &mason{dice: dice{rand.New(rand.NewPCG(seed, 1))}, leave: leave.addr}
	c := m.sites()
	s := startSite(t, origin.addr, c)
	for i := range 40 {
		r := s.request("/")
		r.Host = m.one("site.test", "a.test", "b.test", "x.w.test", "A.test", "c.test")
		r.URL.Opaque = m.one("/", "/p", "/p/q", "/p/q/r", "/q", "/q/p/x.css", "/new", "/p/p/p", "/%70/q") + "?i=" + strconv.Itoa(i*m.IntN(3)/2) + m.one("", "&x=1")
		r.Method = m.one("GET", "GET", "GET", "GET", "HEAD", "POST", "DELETE")
		pairs := []string{"url", "http://$HTTP" + r.URL.Opaque, "header", "Host: " + r.Host, "remote_ip", "127.0.0.1", "method", r.Method}
		for _, line := range m.some(20, "X-M: 1", "X-M: 2", "Cache-Control: no-cache", "Range: bytes=0-2", `If-None-Match: "v1"`) {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Add(name, value)
			pairs = append(pairs, "header", line)
		}
		e, before := s.explain(pairs...), origin.requests.Load()
		came := send(s.client, r)
		s.wait(came, "the end", func() bool { return came.done })
		if complaint := compareRoutes(e, came, origin.requests.Load() > before); complaint != "" {
			var handlers []string
			for _, v := range e.Handlers {
				handlers = append(handlers, fmt.Sprintf("%s %s %s at %s", v.Name, v.Result, v.Then, v.Place))
			}
			t.Fatalf("seed %d, request %d: %s %s %v\nof the sites\n%s\n%s\n%s\n%s\nforetold: %s\n%v\ncame: %d %v (%v)", seed, i, r.Method+" "+r.Host, r.URL.Opaque, r.Header,
				c.global, c.http, c.more, complaint, strings.Join(handlers, "\n"), e.Answers, came.status, came.header, came.err)
		}
	}
}

// compareRoutes says how what came is not as foretold.
func compareRoutes(e *explanation, came *exchange, byOrigin bool) string {
	var want, got []string
	answered := false
	for _, v := range slices.Backward(e.Handlers) {
		if v.Result != "none" {
			want = append(want, v.Name)
		}
		answered = answered || v.Result == "hit" || v.Behind != ""
	}
	for member := range strings.SplitSeq(strings.Join(came.header.Values("Cache-Status"), ","), ",") {
		if name, _, ok := strings.Cut(strings.TrimSpace(member), ";"); ok {
			got = append(got, name)
		}
	}
	answers := strings.Join(e.Answers, ", ")
	switch {
	case answered && byOrigin:
		return "an answer from a store was foretold, and the origin was asked"
	case answered:
		return ""
	case byOrigin && !slices.Equal(want, got):
		return fmt.Sprintf("the handlers foretold are %q, those that came %q", want, got)
	case byOrigin != strings.HasPrefix(answers, "reverse_proxy at "):
		return "the origin was asked or not, as not foretold"
	}
	return ""
}

// mason builds random sites.
type mason struct {
	dice
	leave   string // where a server lets everything through
	named   bool   // there is a snippet and a named route
	caches  int
	matches int
}

func (m *mason) sites() siteConfig {
	c := siteConfig{admin: true}
	c.global = "response_cache {\nstore s1\nstore s2\n}\n}\n" + // and outside of the global options
		"(snippet) {\n" + m.block(1) + "}\n&(named) {\n" + m.block(2)
	m.named = true
	c.http = m.block(3)
	for _, host := range m.some(60, "a.test", "b.test, c.test", "*.w.test", "a.test/p/*") {
		var addresses []string
		for h := range strings.SplitSeq(host, ", ") {
			name, path, _ := strings.Cut(h, "/")
			if path != "" {
				path = "/" + path
			}
			addresses = append(addresses, "http://"+name+":$PORT"+path)
		}
		c.more += strings.Join(addresses, ", ") + " {\nbind 127.0.0.1\n" + m.block(3) + "}\n"
	}
	return c
}

// block is the directives of a site or of a handle.
func (m *mason) block(depth int) string {
	var b strings.Builder
	for range 1 + m.IntN(4) {
		b.WriteString(m.directive(depth))
	}
	if m.chance(85) {
		b.WriteString("reverse_proxy $ORIGIN\n")
	}
	return b.String()
}

// matcher is none, a path, or a named one, whose definition goes before.
func (m *mason) matcher() (definition, token string) {
	m.matches++
	name := "@m" + strconv.Itoa(m.matches)
	kind := m.IntN(9)
	if !m.named && kind < 8 { // a snippet may be imported more than once, a name defined once
		kind = 0
	}
	switch kind {
	case 0, 1, 2:
		return "", m.one("/p*", "/p/*", "/q/*", "/q/p/*", "/new")
	case 3:
		return name + " header X-M 1\n", name
	case 4:
		return name + " query x=1\n", name
	case 5:
		return name + " not path /p*\n", name
	case 6:
		return name + " vars {v} 1\n", name
	case 7:
		return name + " expression `path('/p*') || {http.request.header.X-M} == '2'`\n", name
	}
	return "", "*"
}

func (m *mason) directive(depth int) string {
	definition, token := m.matcher()
	inner := func() string { return m.block(depth - 1) }
	kind := m.IntN(20)
	if depth == 0 && kind < 6 {
		kind = 6
	}
	switch kind {
	case 0, 1:
		return definition + "handle " + token + " {\n" + inner() + "}\n"
	case 2:
		return "handle_path " + m.one("/p/*", "/q*") + " {\n" + inner() + "}\n"
	case 3, 4:
		return definition + "route " + token + " {\n" + inner() + "}\n"
	case 5:
		return "handle {\n" + inner() + "}\n"
	case 6, 7, 8, 9:
		m.caches++
		return fmt.Sprintf("%sresponse_cache %s {\nname n%d\nstore %s\n}\n", definition, token, m.caches, m.one("default", "default", "s1", "s2"))
	case 10:
		return definition + m.one("rewrite "+token+" /new{uri}", "rewrite "+token+" /p/x", "uri "+token+" strip_prefix /p", "uri "+token+" replace q p") + "\n"
	case 11:
		return definition + "vars " + token + " v 1\n"
	case 12:
		return definition + "request_header " + token + " X-M " + m.one("1", "2") + "\n"
	case 13:
		return definition + m.one("redir "+token+" /q", "respond "+token+" hello 200", "respond "+token+" 103", "error "+token+" no 503", "abort "+token) + "\n"
	case 14:
		if !m.named {
			return ""
		}
		return m.one("import snippet\n", "invoke named\n", "invoke named\n", "file_server\n", "file_server {\npass_thru\n}\n")
	case 15:
		return m.one("encode\n", "header X-A b\n", "method GET\n", "map {path} {v} {\n/p* 1\ndefault 2\n}\n")
	case 16, 17:
		return definition + m.one("forward_auth "+token+" "+m.leave+" {\nuri /leave\ncopy_headers X-User\n}\n",
			"reverse_proxy "+token+" "+m.leave+" {\nhandle_response {\nrequest_header X-Leave 1\n}\n}\n",
			"reverse_proxy "+token+" $ORIGIN {\nhandle_response {\ncopy_response\n}\n}\n",
			"reverse_proxy "+token+" $ORIGIN {\n@none status 404\nhandle_response @none {\nrequest_header X-Leave 1\n}\n}\n")
	}
	return definition + "reverse_proxy " + token + " $ORIGIN\n"
}
