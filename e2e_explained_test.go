package portico_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// explainedOrigin answers by path.
func explainedOrigin(t *testing.T) *testOrigin {
	return startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "max-age=600, stale-while-revalidate=30")
		switch {
		case strings.HasSuffix(r.URL.Path, "/private"):
			h.Set("Cache-Control", "private")
		case strings.HasSuffix(r.URL.Path, "/language"):
			h.Set("Vary", "Accept-Language")
			h.Set("Content-Language", r.Header.Get("Accept-Language"))
		case strings.HasSuffix(r.URL.Path, "/cookie"):
			h.Set("Vary", "Cookie")
			h.Set("X-Secret", "s3cret")
		case strings.HasSuffix(r.URL.Path, "/tagged"):
			h.Set("Surrogate-Key", "one two")
			h.Set("Cache-Groups", `"g"`)
		case strings.HasSuffix(r.URL.Path, "/targeted"):
			h.Set("CDN-Cache-Control", "max-age=60")
		case strings.HasSuffix(r.URL.Path, "/stale"):
			h.Set("Age", "1000")
			h.Set("ETag", `"v1"`)
		}
		_, _ = io.WriteString(w, "hello")
	})
}

// Each row of the chain, on a site as people have them: two sites, one with
// TLS, handle_path, matchers, options of the key, bypass.
const explainedHTTPS = `
	basic_auth /admin/* {
		user $2a$04$VBPolnxYDW.LGYaqOJ2niOkxvHAROmJ1pbo2mbqkYY6veZWzypM6.
	}
	forward_auth /members/* $ORIGIN {
		uri /leave
		copy_headers Remote-User
	}
	redir /old /new
	@editors header_regexp Cookie (^|;\s*)editor=
	handle_path /api/* {
		response_cache {
			name api
			bypass @editors
			key {
				query drop utm_*
				cookie currency
			}
			ttl 404 1m
		}
		rewrite * /v2{uri}
		reverse_proxy $ORIGIN
	}
	handle {
		response_cache {
			store second
		}
		reverse_proxy $ORIGIN
	}
`

func TestExplain(t *testing.T) {
	origin := explainedOrigin(t)
	c := siteConfig{admin: true, https: explainedHTTPS, global: "response_cache {\nstore second {\nmemory 1MiB\n}\n}"}
	s := startSite(t, origin.addr, c)
	secure := func(path string, fields ...string) {
		t.Helper()
		r := s.request(path, fields...)
		r.URL.Scheme, r.URL.Host, r.Host = "https", s.vars["$HTTPS"], ""
		e := send(s.client, r)
		s.wait(e, "the end", func() bool { return e.done })
		if e.err != nil || e.status != 200 {
			t.Fatalf("GET %s: %d %v", path, e.status, e.err)
		}
	}
	secure("/api/x?utm_source=a&q=1", "Cookie", "currency=eur")
	secure("/language", "Accept-Language", "de")
	secure("/language", "Accept-Language", "fr")
	secure("/private")
	secure("/cookie", "Cookie", "session=s3cret")
	secure("/tagged")
	secure("/a/tagged")
	secure("/targeted")
	secure("/stale")
	before := origin.requests.Load()
	stats, _ := s.statsText()

	tests := []struct {
		name          string
		path          string
		more          []string // pairs of the query
		handler       string
		result        string
		reasons       []string // of the steps, in order
		key           string   // below the origin
		variants      int
		checkSelected func(*testing.T, *verdict)
	}{
		{
			name: "9111-4.2 hit, key of the original URI", path: "/api/x?q=1&utm_medium=b", more: []string{"header", "Cookie: currency=eur"},
			handler: "api", result: "hit", reasons: []string{"fresh"}, key: "/api/x?q=1 ccurrency=3:eur", variants: 1,
		},
		{name: "another value of a cookie in the key", path: "/api/x?q=1", handler: "api", result: "miss", reasons: []string{"uri-miss"}, key: "/api/x?q=1 ccurrency=-"},
		{name: "bypass", path: "/api/x", more: []string{"header", "Cookie: editor=me"}, handler: "api", result: "bypass", reasons: []string{"bypassed"}, key: "/api/x ccurrency=-"},
		{name: "9111-3 method", path: "/tagged", more: []string{"method", "POST"}, handler: "Portico", result: "pass", reasons: []string{"method"}, key: "/tagged", variants: 1},
		{
			name: "9111-4.1 vary", path: "/language", more: []string{"header", "Accept-Language: de"},
			handler: "Portico", result: "hit", reasons: []string{"fresh"}, key: "/language", variants: 2,
			checkSelected: func(t *testing.T, v *verdict) {
				other := v.Variants[slices.IndexFunc(v.Variants, func(o variant) bool { return !o.Selected })]
				if other.Matches || other.Vary[0] != (varied{Field: "Accept-Language", Stored: "fr", Request: "de"}) {
					t.Errorf("the other variant: %+v", other)
				}
			},
		},
		{name: "9111-4.1 vary-miss", path: "/language", more: []string{"header", "Accept-Language: it"}, handler: "Portico", result: "miss", reasons: []string{"vary-miss"}, key: "/language", variants: 2},
		{
			name: "9111-3 pass memory", path: "/private", handler: "Portico", result: "pass", reasons: []string{"uri-miss", "pass-memory"}, key: "/private",
			checkSelected: func(t *testing.T, v *verdict) {
				if len(v.Refusals) != 1 || v.Refusals[0].Reason != "private" || v.Refusals[0].Section != "RFC 9111 §5.2.2.7" || !v.Refusals[0].Passes {
					t.Errorf("refusals: %+v", v.Refusals)
				}
			},
		},
		{
			name: "9213-2.2 the lifetime's field", path: "/targeted", handler: "Portico", result: "hit", reasons: []string{"fresh"}, key: "/targeted", variants: 1,
			checkSelected: func(t *testing.T, v *verdict) {
				o := v.Variants[0]
				if o.Lifetime != 60 || o.LifetimeFrom != "max-age" || o.LifetimeText != "max-age in CDN-Cache-Control" || o.LifetimeSection != "RFC 9213 §2.2" {
					t.Errorf("lifetime: %+v", o)
				}
			},
		},
		{
			name: "9111-4.3 validation", path: "/stale", handler: "Portico", result: "revalidated",
			reasons: []string{"expired", "", "stale-if-error"}, key: "/stale", variants: 1,
			checkSelected: func(t *testing.T, v *verdict) {
				if !strings.Contains(v.Steps[2].Detail, `If-None-Match: "v1"`) || v.Variants[0].TTL >= 0 || v.Variants[0].StaleWhileRevalidate != 30 {
					t.Errorf("steps: %+v, variant: %+v", v.Steps, v.Variants[0])
				}
			},
		},
		{name: "9111-5.2.1.7 only-if-cached", path: "/nothing", more: []string{"header", "Cache-Control: only-if-cached"}, handler: "Portico", result: "error", reasons: []string{"uri-miss", "only-if-cached"}, key: "/nothing"},
		{
			name: "9110-13 the request's condition", path: "/stale", more: []string{"header", `If-None-Match: "v1"`, "header", "Cache-Control: max-stale"},
			handler: "Portico", result: "stale", reasons: []string{"request-max-stale"}, key: "/stale", variants: 1,
			checkSelected: func(t *testing.T, v *verdict) {
				if !strings.Contains(v.Then, "304") {
					t.Errorf("then: %s", v.Then)
				}
			},
		},
		{
			name: "9875-3 what would go", path: "/tagged", handler: "Portico", result: "hit", reasons: []string{"fresh"}, key: "/tagged", variants: 1,
			checkSelected: func(t *testing.T, v *verdict) {
				want := []tagDrop{{"g", s.expand("https://$HTTPS"), 2}, {"g", "", 2}, {"one", "", 2}, {"two", "", 2}}
				if d := cmp.Diff(want, v.Drops.Tags); d != "" || v.Drops.URL != 1 {
					t.Errorf("drops %d by URL; tags (-want +got):\n%s", v.Drops.URL, d)
				}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := s.explain(append(tt.more, "url", "https://$HTTPS"+tt.path)...)
			if len(e.Handlers) != 1 {
				t.Fatalf("%d handlers: %+v", len(e.Handlers), e)
			}
			v := e.Handlers[0]
			var reasons []string
			for _, s := range v.Steps {
				reasons = append(reasons, s.Reason)
			}
			if v.Steps[0].Reason == "" { // it is looked up
				reasons = reasons[1:]
			}
			if v.Name != tt.handler || v.Result != tt.result || !slices.Equal(reasons, tt.reasons) || v.Key != s.expand("https://$HTTPS")+tt.key || len(v.Variants) != tt.variants {
				t.Errorf("%s %s %q %s with %d variants", v.Name, v.Result, reasons, v.Key, len(v.Variants))
			}
			if tt.checkSelected != nil {
				tt.checkSelected(t, v)
			}
		})
	}
	if got := origin.requests.Load(); got != before {
		t.Errorf("explaining asked the origin %d times", got-before)
	}
	if after, _ := s.statsText(); after != stats {
		t.Errorf("explaining changed the counts:\n%s\n%s", stats, after)
	}
}

// statsText is what the stores hold, and what the metrics count.
func (s *site) statsText() (text string, metrics string) {
	s.t.Helper()
	_, stats := s.ask("/response_cache/stats")
	_, all := s.ask("/metrics")
	var lines []string
	for line := range strings.SplitSeq(string(all), "\n") {
		if strings.HasPrefix(line, "caddy_response_cache_") {
			lines = append(lines, line)
		}
	}
	return string(stats) + strings.Join(lines, "\n"), string(all)
}

// What is stored may have been made for others: of their cookies, and of fields
// that may hold anything, nothing is shown.
func TestExplainKeepsSecrets(t *testing.T) {
	s := startSite(t, explainedOrigin(t).addr, siteConfig{admin: true})
	s.get("/cookie", "Cookie", "session=s3cret")
	_, body := s.ask("/response_cache/explain?header=Host:site.test&url=" + s.url("/cookie"))
	if text := string(body); strings.Contains(text, "s3cret") || !strings.Contains(text, "there, not shown") || !strings.Contains(text, "X-Secret") {
		t.Errorf("explained with secrets, or without saying that they are there: %s", text)
	}
	e := s.explain("url", "http://$HTTP/cookie", "header", "Host: site.test", "header", "Cookie: session=mine")
	if v := e.Handlers[0]; v.Result != "miss" || v.Variants[0].Matches || v.Variants[0].Vary[0].Request != "(there, not shown)" {
		t.Errorf("another's cookie: %+v", v)
	}
}

// The request is looked for where it would go: server, host, routes, in the
// configuration that runs now.
func TestExplainFindsTheHandler(t *testing.T) {
	origin := explainedOrigin(t)
	c := siteConfig{admin: true, https: explainedHTTPS, global: "response_cache {\nstore second\n}"}
	s := startSite(t, origin.addr, c)
	place := func(e *explanation) string {
		if len(e.Handlers) == 0 {
			return ""
		}
		return e.Handlers[0].Place
	}

	e := s.explain("url", "https://$HTTPS/api/x")
	api := place(e)
	if api == "" || e.Handlers[0].Name != "api" || len(e.Others) != 2 || !strings.HasPrefix(e.Answers[0], "reverse_proxy at ") {
		t.Fatalf("api: %+v", e)
	}
	if status, config := s.ask("/config" + api); status != http.StatusOK || !strings.Contains(string(config), `"name":"api"`) {
		t.Errorf("the place %s is not the handler's in the configuration: %s", api, config)
	}
	if e := s.explain("url", "https://$HTTPS/old"); place(e) != "" || !strings.HasPrefix(e.Answers[0], "static_response at ") || !strings.HasSuffix(e.Answers[0], "/handle/0, with 302 to /new") || len(e.Others) != 3 {
		t.Errorf("a redirection: %+v", e)
	}
	if e := s.explain("url", "https://$HTTPS/admin/x"); len(e.Handlers) != 1 || len(e.Handlers[0].Before) != 1 || !strings.HasPrefix(e.Handlers[0].Before[0], "authentication at ") {
		t.Errorf("authentication: %+v", e)
	}
	if e := s.explain("url", "https://$HTTPS/members/x"); len(e.Handlers) != 1 || len(e.Handlers[0].Before) != 1 || !strings.HasPrefix(e.Handlers[0].Before[0], "reverse_proxy at ") {
		t.Errorf("another server's leave: %+v", e)
	}
	if e := s.explain("url", "http://$HTTP/x"); place(e) == "" || e.Handlers[0].Store != "default" {
		t.Errorf("the other server: %+v", e)
	}
	if e := s.explain("url", "http://example.com/x"); !slices.ContainsFunc(e.Notes, func(n string) bool { return strings.Contains(n, "No server listens") }) {
		t.Errorf("a port of nobody: %+v", e)
	}
	if e := s.explain("url", "http://$HTTP/caf\u00e9?b=\u00fc"); !strings.Contains(e.Notes[0], "Browsers send /caf%C3%A9?b=%C3%BC, which") {
		t.Errorf("letters outside ASCII: %q", e.Notes)
	}

	c.http, c.https = "@static path /static/*\nresponse_cache @static\nreverse_proxy $ORIGIN", ""
	c.more = "http://other.test:" + port(s.vars["$HTTP"]) + " {\nbind 127.0.0.1\nroute {\nresponse_cache {\nname outer\n}\nresponse_cache {\nname inner\n}\nreverse_proxy $ORIGIN\n}\n}\n"
	s.load(c)
	if e := s.explain("url", "http://$HTTP/x"); place(e) != "" || len(e.Others) != 3 {
		t.Errorf("its matcher does not match: %+v", e)
	}
	if e := s.explain("url", "http://$HTTP/static/x"); place(e) == "" || e.Handlers[0].Name != "Portico" {
		t.Errorf("after the reload: %+v", e)
	}
	e = s.explain("url", "http://other.test:"+port(s.vars["$HTTP"])+"/x")
	if len(e.Handlers) != 2 || e.Handlers[0].Name != "outer" || e.Handlers[1].Inside != e.Handlers[0].Place || !slices.Equal(e.Handlers[1].Hosts, []string{"other.test"}) {
		t.Errorf("two of one store: %+v", e)
	}
}

func TestExplainRefuses(t *testing.T) {
	s := startSite(t, explainedOrigin(t).addr, siteConfig{admin: true})
	for _, query := range []string{
		"", "url=/x", "url=ftp://a/x", "url=http://", "url=http://a:b@c/", "url=http://a/&header=x",
		"url=http://a/&header=a%20b:c", "url=http://a/&header=a:b%0d%0ac:d", "url=http://a/&method=a%20b",
		"url=http://a/&remote_ip=nowhere", "url=http://a/&headers=a:b", "url=http://a/%zz",
	} {
		if status, body := s.ask("/response_cache/explain?" + query); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+s.vars["$ADMIN"]+"/response_cache/explain?url=http://a/", nil)
	if err != nil {
		t.Fatal(err)
	}
	e := send(s.client, r)
	s.wait(e, "the end", func() bool { return e.done })
	if e.status != http.StatusMethodNotAllowed || e.header.Get("Allow") != "GET, POST" {
		t.Errorf("DELETE: %d %v", e.status, e.header)
	}
}
