package portico_test

// The site behind hide_origin still works: sessions, redirects, revalidation,
// parts, streams, and the cache before it.

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// A session by a renamed cookie: the origin knows its own name alone, and a
// client that sends this name is not believed.
func TestHideSession(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Cookie"), "sid") {
			t.Errorf("the origin sees %q", r.Header.Get("Cookie"))
		}
		if c, err := r.Cookie("PHPSESSID"); err == nil {
			fmt.Fprintf(w, "session %s", c.Value)
			return
		}
		w.Header().Set("Set-Cookie", "PHPSESSID=s1; Path=/app; Domain=internal")
		_, _ = io.WriteString(w, "new")
	})
	s := startSite(t, origin.addr, siteConfig{http: "hide_origin {\ncookies {\nrename PHPSESSID sid\npath /app /\nhttp_only\nsame_site lax\n}\n}\nreverse_proxy $ORIGIN"})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.client.Jar = jar
	for i, want := range []string{"new", "session s1", "session s1"} {
		response, err := s.client.Get(s.url("/x"))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if string(got) != want {
			t.Errorf("request %d: %q, want %q", i, got, want)
		}
		if set := response.Header.Get("Set-Cookie"); i == 0 && set != "sid=s1; Path=/; HttpOnly; SameSite=Lax" {
			t.Errorf("Set-Cookie is %q", set)
		}
	}
	if raw := s.rawAnswer("GET", "/", "Cookie: PHPSESSID=forged; a=b"); !strings.HasSuffix(raw, "new") {
		t.Errorf("the origin took a client's cookie of its own name for the renamed one:\n%s", raw)
	}
}

// Redirects lead through the site, whatever the origin calls itself.
func TestHideRedirects(t *testing.T) {
	var self string
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		_, port, _ := strings.Cut(self, ":")
		host, _, _ := strings.Cut(r.Host, ":")
		next := map[string]string{
			"/app/1": "http://" + self + "/app/2",              // its address
			"/app/2": "http://" + host + ":" + port + "/app/3", // the site's name, its own port
			"/app/3": "http://" + r.Host + "/app/4",            // the site, without TLS
			"/app/4": "http://10.9.8.7:8080/app/5",             // a machine behind
			"/app/5": "/app/6",
		}[r.URL.Path]
		if next == "" {
			fmt.Fprintf(w, "arrived at %s", r.URL.Path)
			return
		}
		w.Header().Set("Location", next)
		w.WriteHeader(http.StatusFound)
	})
	self = origin.addr
	const through = "handle_path /public/* {\nrewrite * /app{uri}\nhide_origin {\nrewrite http://$ORIGIN/app /public\nrewrite http://10.9.8.7:8080/app /public\n}\nreverse_proxy $ORIGIN\n}"
	s := startSite(t, origin.addr, siteConfig{http: "hide_origin\nreverse_proxy $ORIGIN", https: through})
	s.follow(s.url("/app/1"), "/app/6", 5)
	// With TLS and a prefix; a site's name in Location has to be mapped by the prefix, too.
	s.load(siteConfig{https: strings.Replace(through, "hide_origin {", "hide_origin {\nrewrite 127.0.0.1:"+port(origin.addr)+"/app /public\nrewrite http://$HTTPS/app /public", 1)})
	s.follow("https://"+s.vars["$HTTPS"]+"/public/1", "/public/6", 5)
}

// follow goes from a URL to its end, and checks that it never leaves the site.
func (s *site) follow(start, end string, hops int) {
	s.t.Helper()
	at, err := url.Parse(start)
	if err != nil {
		s.t.Fatal(err)
	}
	site := at.Scheme + "://" + at.Host
	for i := 0; ; i++ {
		r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, at.String(), nil)
		if err != nil {
			s.t.Fatal(err)
		}
		response, err := s.do(r)
		if err != nil {
			s.t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		location := response.Header.Get("Location")
		if location == "" {
			if at.Path != end || i != hops || response.StatusCode != http.StatusOK {
				s.t.Errorf("from %s: %d at %s after %d redirects, want %s after %d", start, response.StatusCode, at, i, end, hops)
			}
			return
		}
		if at, err = at.Parse(location); err != nil || at.Scheme+"://"+at.Host != site || i > hops {
			s.t.Fatalf("from %s: redirect %d leads to %q, %v", start, i, location, err)
		}
	}
}

// Sealed entity-tags revalidate, also after a restart and beside the cache.
func TestHideValidators(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"leak-inode-1a2b"`)
		w.Header().Set("Cache-Control", "max-age=60")
		http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("0123456789"))
	})
	const config = "hide_origin {\netag hash\n}\nreverse_proxy $ORIGIN"
	s := startSite(t, origin.addr, siteConfig{http: config})
	field := func(raw, name string) string {
		_, after, _ := strings.Cut(raw, "\r\n"+name+": ")
		value, _, _ := strings.Cut(after, "\r\n")
		return value
	}
	tag := field(s.rawAnswer("GET", "/a"), "Etag")
	if tag == "" || strings.Contains(tag, "leak") {
		t.Fatalf("ETag is %q", tag)
	}
	check := func(when string) {
		t.Helper()
		tests := []struct{ name, field, want string }{
			{"9110-13.1.2", "If-None-Match: " + tag, "304 "},
			{"9110-13.1.2 list", `If-None-Match: "other", W/` + tag, "304 "},
			{"9110-13.1.2 the origin's tag is no validator", `If-None-Match: "leak-inode-1a2b"`, "200 "},
			{"9110-13.1.1", "If-Match: " + tag, "200 "},
			{"9110-13.1.1 another", `If-Match: "other"`, "412 "},
			{"9110-13.1.5", "Range: bytes=2-4\r\nIf-Range: " + tag, "206 "},
			{"9110-13.1.5 another", "Range: bytes=2-4\r\nIf-Range: \"other\"", "200 "},
		}
		for _, tt := range tests {
			raw := s.rawAnswer("GET", "/a", tt.field)
			if !strings.Contains(raw, "HTTP/1.1 "+tt.want) || strings.Contains(raw, "leak") {
				t.Errorf("%s, %s: want %s, got\n%s", when, tt.name, tt.want, raw)
			}
			if got := field(raw, "Etag"); got != "" && got != tag {
				t.Errorf("%s, %s: ETag is %q, was %q", when, tt.name, got, tag)
			}
		}
	}
	check("at first")
	if err := caddy.Stop(); err != nil { // a reload's old listener may answer a little longer
		t.Fatal(err)
	}
	s.load(siteConfig{http: config})
	check("after a restart")
	s.load(siteConfig{http: "response_cache\n" + config})
	check("behind the cache")
	check("from the cache")
}

// What the cache stores is clean, is refreshed by a 304, and is served while the
// origin fails.
func TestHideBehindCache(t *testing.T) {
	var fails atomic.Bool
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		leaky(w.Header(), "final")
		w.Header().Del("Set-Cookie")
		w.Header().Set("Etag", `"leak-etag"`)
		w.Header().Set("Cache-Control", "max-age=0, stale-if-error=60")
		if fails.Load() {
			w.WriteHeader(500)
			_, _ = io.WriteString(w, "leak-page")
			return
		}
		http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader(leakyBody))
	})
	const proxy = "reverse_proxy $ORIGIN"
	s := startSite(t, origin.addr, siteConfig{http: "response_cache\nhide_origin {\nheaders X-Own-Secret\netag hash\n}\n" + proxy})
	wants := []string{"fwd=uri-miss", "fwd-status=304", "fwd-status=304", "detail=stale-if-error"}
	for i, want := range wants {
		if i == 3 {
			fails.Store(true)
		}
		raw := s.rawAnswer("GET", "/a")
		if found := tokens(raw); len(found) > 0 {
			t.Errorf("answer %d: %q in\n%s", i, found, raw)
		}
		if !strings.Contains(raw, "200 OK") || !strings.Contains(raw, leakyBody) || !strings.Contains(raw, want) {
			t.Errorf("answer %d: no 200 with %q:\n%s", i, want, raw)
		}
	}
	if raw := s.rawAnswer("GET", "/b"); !strings.Contains(raw, "500 Internal") || !strings.Contains(raw, "Content-Length: 0") || len(tokens(raw)) > 0 {
		t.Errorf("an error with nothing stored:\n%s", raw)
	}
}

// What the site itself has set stays: its own request identifier, and Alt-Svc of
// Caddy's own HTTP/3.
func TestHideOwnFields(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "leak-id")
		w.Header().Set("Server", "leak-server")
		w.Header().Set("Alt-Svc", `h3="leak-host:1"`)
	})
	s := startSite(t, origin.addr, siteConfig{https: "header X-Request-Id own\nheader Server shop\nhide_origin\nreverse_proxy $ORIGIN"})
	eventually(t, "Caddy's own Alt-Svc: HTTP/3 may begin to listen a moment later", func() bool {
		raw := s.http2Answer("GET", "/")
		if !strings.Contains(raw, "x-request-id: own\r\n") || !strings.Contains(raw, "server: shop\r\n") || len(tokens(raw)) > 0 {
			t.Fatalf("got\n%s", raw)
		}
		return strings.Contains(raw, `alt-svc: h3=":`)
	})
}

// A rewritten body: events keep their pace, HEAD and GET agree, what is no text or
// is encoded passes, and parts are not asked for.
func TestHideBody(t *testing.T) {
	next := make(chan struct{})
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" || r.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("the origin is asked for Range %q, Accept-Encoding %q", r.Header.Get("Range"), r.Header.Get("Accept-Encoding"))
		}
		kind, encoding := r.URL.Query().Get("kind"), r.URL.Query().Get("encoding")
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Etag", `"e"`)
		switch {
		case kind == "text/event-stream":
			flush(w)
			for range 3 {
				select {
				case <-next:
				case <-r.Context().Done():
					return
				}
				_, _ = io.WriteString(w, "data: http://app1:8080/\n\n")
				flush(w)
			}
		case encoding != "":
			w.Header().Set("Content-Encoding", encoding)
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, "http://app1:8080/")
			z.Close()
		default:
			w.Header().Set("Content-Length", "17")
			_, _ = io.WriteString(w, "http://app1:8080/")
		}
	})
	s := startSite(t, origin.addr, siteConfig{http: "hide_origin {\nbody http://app\\d:8080 {scheme}://site\n}\nreverse_proxy $ORIGIN"})
	response, err := s.client.Do(s.request("/?kind=text/event-stream"))
	if err == nil {
		lines := bufio.NewReader(response.Body)
		for range 3 {
			select {
			case next <- struct{}{}:
			case <-time.After(patience):
				t.Fatal("the origin does not wait for the next event")
			}
			// The next event is made only when this one is here.
			line, _ := lines.ReadString('\n')
			if blank, err := lines.ReadString('\n'); line != "data: http://site/\n" || blank != "\n" || err != nil {
				t.Fatalf("an event is %q %q, %v", line, blank, err)
			}
		}
		response.Body.Close()
	} else {
		t.Fatal(err)
	}
	tests := []struct {
		method, path, field string
		want, not           []string
	}{
		{"GET", "/?kind=text/html", "Range: bytes=0-3", []string{"200 OK", `Etag: W/"e"`, "\r\n\r\nhttp://site/"}, nil},
		{"HEAD", "/?kind=text/html", "X: y", []string{"200 OK", `Etag: W/"e"`}, []string{"Content-Length"}},
		{"GET", "/?kind=image/png", "X: y", []string{`Etag: "e"`, "Content-Length: 17", "http://app1:8080/"}, nil},
		{"GET", "/?kind=text/html&encoding=gzip", "X: y", []string{`Etag: "e"`, "Content-Encoding: gzip", "\x1f\x8b"}, nil},
	}
	for _, tt := range tests {
		raw := s.rawAnswer(tt.method, tt.path, tt.field)
		for _, want := range tt.want {
			if !strings.Contains(raw, want) {
				t.Errorf("%s %s: no %q in\n%q", tt.method, tt.path, want, raw)
			}
		}
		for _, not := range tt.not {
			if strings.Contains(raw, not) {
				t.Errorf("%s %s: %q in\n%q", tt.method, tt.path, not, raw)
			}
		}
	}
}

// An error page of any length is not read to its end, and the connection to the
// origin ends with it.
func TestHideEndlessErrorPage(t *testing.T) {
	gone := make(chan struct{})
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		for {
			if _, err := io.WriteString(w, strings.Repeat("leak-page ", 1000)); err != nil {
				close(gone)
				return
			}
		}
	})
	s := startSite(t, origin.addr, siteConfig{http: "hide_origin\nreverse_proxy $ORIGIN"})
	if raw := s.rawAnswer("GET", "/"); !strings.Contains(raw, "500 Internal") || len(tokens(raw)) > 0 {
		t.Errorf("got\n%s", raw)
	}
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the origin still writes its page")
	}
}

// Errors come through the cache as they are without it: clean, with what
// clients act on.
func TestHideErrorsBehindCache(t *testing.T) {
	origin := startOrigin(t, leakyOrigin)
	const errors = "\nhandle_errors {\nrespond \"sorry: {err.status_code}\"\n}"
	const routes = "response_cache\nhide_origin\nreverse_proxy /dead $DOWN\nreverse_proxy $ORIGIN"
	s := startSite(t, origin.addr, siteConfig{http: routes})
	for _, more := range []string{"", errors} {
		if err := caddy.Stop(); err != nil { // or the configuration before may answer a little longer
			t.Fatal(err)
		}
		s.load(siteConfig{http: routes + more})
		for path, wants := range map[string][]string{
			"/dead": {"502 Bad Gateway"}, "/503": {"503 Service", "Retry-After: 7"}, "/broken": {"500 Internal"},
		} {
			raw := s.rawAnswer("GET", path)
			if more != "" {
				wants = append(wants, "sorry: "+wants[0][:3])
			}
			for _, want := range wants {
				if !strings.Contains(raw, want) {
					t.Errorf("%s: no %q in\n%s", path, want, raw)
				}
			}
			if found := tokens(raw); len(found) > 0 {
				t.Errorf("%s: %q in\n%s", path, found, raw)
			}
		}
	}
}
