package portico_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// request_filter in a real Caddy, in front of a real origin: one check for each
// thing that only a server and sockets show.

// behindProxy is how tests say who the client is, so that none of them bans
// another's.
const behindProxy = "servers {\ntrusted_proxies static 127.0.0.0/8\n}"

// startFiltered is a site whose origin says what it got.
func startFiltered(t *testing.T, options string) (*site, *testOrigin) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %s %d", r.Method, r.RequestURI, n)
	})
	return startSite(t, origin.addr, siteConfig{global: behindProxy, http: options + "\nreverse_proxy $ORIGIN"}), origin
}

func TestFilterDefaults(t *testing.T) {
	s, _ := startFiltered(t, "request_filter")
	for request, want := range map[string]string{
		"GET /a?b=c HTTP/1.1\r\nHost: site.test\r\n\r\n":                                                       "200 GET /a?b=c 0",
		"GET /a HTTP/1.0\r\n\r\n":                                                                              "200 GET /a 0",
		"OPTIONS * HTTP/1.1\r\nHost: site.test\r\n\r\n":                                                        "200 ",
		"GET /caf%C3%A9 HTTP/1.1\r\nHost: site.test\r\n\r\n":                                                   "200 GET /caf%C3%A9 0",
		"GET http://site.test/a HTTP/1.1\r\nHost: site.test\r\n\r\n":                                           "200 GET /a 0",
		"GET /.env HTTP/1.1\r\nHost: site.test\r\n\r\n":                                                        "404 ",
		"GET /a/%2e%2e%2f.env HTTP/1.1\r\nHost: site.test\r\n\r\n":                                             "400 ",
		"GET /a%252e%252e/b HTTP/1.1\r\nHost: site.test\r\n\r\n":                                               "400 ",
		"GET /a HTTP/1.1\r\nHost: site.test\r\nUser-Agent: sqlmap/1.7\r\n\r\n":                                 "403 ",
		"GET /a HTTP/1.1\r\nHost: site.test\r\nConnection: close, X-Forwarded-For\r\n\r\n":                     "400 ",
		"GET /" + strings.Repeat("a", 9000) + " HTTP/1.1\r\nHost: site.test\r\n\r\n":                           "414 ",
		"GET / HTTP/1.1\r\nHost: site.test\r\n" + strings.Repeat("A: b\r\n", 101) + "\r\n":                     "431 ",
		"GET / HTTP/1.1\r\nHost: site.test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n\r\n": "200 GET / 0",
	} {
		if got := s.speak(request); got != want && !(strings.HasPrefix(request, "OPTIONS *") && strings.HasPrefix(got, want)) {
			t.Errorf("%q: %q, want %q", shorten(request), got, want)
		}
	}
}

// What is too much in a body shows only while it is on its way to the origin: the
// client is told, the origin gets no whole request, and is not taken for broken.
func TestFilterBodies(t *testing.T) {
	log := "log {\noutput file $DIR/access.log\n}\n"
	errors := "\nhandle_errors {\nrespond \"{err.status_code} {http.request_filter.action} {http.request_filter.rule}\"\n}"
	var whole atomic.Int64
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err == nil {
			whole.Add(1)
		}
		fmt.Fprintf(w, "%d", n)
	})
	s := startSite(t, origin.addr, siteConfig{
		http: log + "request_filter\nreverse_proxy $ORIGIN {\nfail_duration 1h\nlb_try_duration 5s\n}" + errors,
	})
	chunked := func(contentType, body string) string {
		return fmt.Sprintf("POST /a HTTP/1.1\r\nHost: site.test\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", contentType, len(body), body)
	}
	const form = "application/x-www-form-urlencoded"
	tests := []struct {
		name, request, want string
	}{
		{"JSON", chunked("application/json", strings.Repeat("[", 64)+strings.Repeat("]", 64)), "200 128"},
		{"deep JSON", chunked("application/json", strings.Repeat("[", 65)), "400 400 block json_depth"},
		{"arguments", chunked(form, strings.Repeat("a&", 300)), "400 400 block args"},
		{"long form", chunked(form, "a="+strings.Repeat("x", 10<<20)), "413 413 block body"},
		{"long form by its length", "POST /a HTTP/1.1\r\nHost: site.test\r\nExpect: 100-continue\r\nContent-Type: " + form + "\r\nContent-Length: 10485761\r\n\r\n", "413 413 block body"},
		{"upload", chunked("application/octet-stream", strings.Repeat("x", 11<<20)), fmt.Sprint("200 ", 11<<20)},
		{"the origin is well", chunked(form, "a=b"), "200 3"},
	}
	for _, tt := range tests {
		if got := s.speak(tt.request); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if n := whole.Load(); n != 3 {
		t.Errorf("the origin got %d whole bodies, want 3", n)
	}
	blocked := 0
	for _, entry := range readLog(t, filepath.Join(s.dir, "access.log"), len(tests)) {
		if fields, ok := entry["request_filter"].(map[string]any); ok {
			blocked++
			if fields["action"] != "block" || fields["reason"] != "limit" {
				t.Errorf("the access log has %v", fields)
			}
		}
	}
	if blocked != 4 {
		t.Errorf("the access log has %d blocked requests, want 4", blocked)
	}
}

// A body is judged as it passes: the first piece is at the origin before the
// client has sent the second, and in detect mode all of them come through.
func TestFilterStreams(t *testing.T) {
	for _, mode := range []string{"block", "detect"} {
		arrived := make(chan string)
		origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
			p := make([]byte, 100)
			for {
				n, err := r.Body.Read(p)
				if n > 0 {
					arrived <- string(p[:n])
				}
				if err != nil {
					break
				}
			}
		})
		s := startSite(t, origin.addr, siteConfig{http: "request_filter {\nlimits {\nbody 9B\nmode " + mode + "\n}\n}\nreverse_proxy $ORIGIN"})
		conn := s.dial("POST /a HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
		if got := <-arrived; got != "first" {
			t.Errorf("%s: the origin has %q, want the first piece", mode, got)
		}
		fmt.Fprint(conn, "6\r\nsecond\r\n0\r\n\r\n")
		want := http.StatusRequestEntityTooLarge
		if mode == "detect" {
			want = http.StatusOK
			if got := <-arrived; got != "second" {
				t.Errorf("detect: the origin has %q, want the second piece", got)
			}
		}
		if status, _, err := readAnswer(conn); status != want || err != nil {
			t.Errorf("%s: %d, %v, want %d", mode, status, err, want)
		}
	}
}

func TestFilterPassesWebSocketsAndEvents(t *testing.T) {
	more := make(chan struct{})
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/events" {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: 1\n\n")
			flush(w)
			<-more
			return
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		line, _ := buffered.ReadString('\n')
		_, _ = io.WriteString(conn, "echo "+line)
	})
	s := startSite(t, origin.addr, siteConfig{http: "request_filter\nreverse_proxy $ORIGIN"})
	conn := s.dial("GET /socket HTTP/1.1\r\nHost: site.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	in := bufio.NewReader(conn)
	response, err := http.ReadResponse(in, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v, %v", response, err)
	}
	fmt.Fprint(conn, "hello\n")
	if got, err := in.ReadString('\n'); got != "echo hello\n" {
		t.Errorf("over the upgraded connection came %q, %v", got, err)
	}
	events := s.sendTo("/events")
	s.wait(events, "the first event", func() bool { return string(events.body) == "data: 1\n\n" })
	close(more)
	s.wait(events, "the end", func() bool { return events.done })
}

// Limit, window and what is left are told with every answer, and a refusal says
// when to come back.
func TestFilterRate(t *testing.T) {
	s, _ := startFiltered(t, "request_filter {\nrate e2e_rate {\nlimit 2/1h\nmatch path /login\n}\n}")
	fields := func(e *exchange) string {
		return fmt.Sprint(e.status, " ", e.header.Get("RateLimit-Policy"), " ", e.header.Get("RateLimit"), " ", e.header.Get("Retry-After"))
	}
	var got []string
	for range 3 {
		got = append(got, fields(s.get("/login", "X-Forwarded-For", "2001:db8:1:2::1")))
	}
	got = append(got, fields(s.get("/login", "X-Forwarded-For", "2001:db8:1:2:ffff::9"))) // the same /64
	got = append(got, fields(s.get("/login", "X-Forwarded-For", "2001:db8:1:3::1")))
	got = append(got, fields(s.get("/", "X-Forwarded-For", "2001:db8:1:2::1")))
	want := []string{
		`200 "e2e_rate";q=2;w=3600 "e2e_rate";r=1;t=3600 `,
		`200 "e2e_rate";q=2;w=3600 "e2e_rate";r=0;t=3600 `,
		`429 "e2e_rate";q=2;w=3600 "e2e_rate";r=0;t=3600 3600`,
		`429 "e2e_rate";q=2;w=3600 "e2e_rate";r=0;t=3600 3600`,
		`200 "e2e_rate";q=2;w=3600 "e2e_rate";r=1;t=3600 `,
		`200   `,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// Blocked requests lead to a ban, which a reload does not lift; who is allowed is
// never banned.
func TestFilterBan(t *testing.T) {
	s, origin := startFiltered(t, "request_filter {\nallow 198.51.100.9\nban {\nafter 3 in 1h\nfor 1h\n}\nhoneypot /trap\n}")
	statuses := func(client string, paths ...string) (all []int) {
		for _, path := range paths {
			all = append(all, s.get(path, "X-Forwarded-For", client).status)
		}
		return all
	}
	for client, want := range map[string][]int{
		"198.51.100.7": {404, 404, 404, 403}, // three strikes
		"198.51.100.9": {404, 404, 404, 200},
	} {
		if diff := cmp.Diff(want, statuses(client, "/.env", "/.git/HEAD", "/.env", "/")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", client, diff)
		}
	}
	if diff := cmp.Diff([]int{404, 403}, statuses("198.51.100.8", "/trap", "/")); diff != "" {
		t.Errorf("the trap (-want +got):\n%s", diff)
	}
	s.load(siteConfig{global: behindProxy, http: "request_filter\nreverse_proxy " + origin.addr})
	if diff := cmp.Diff([]int{403, 403, 200}, append(statuses("198.51.100.7", "/"), append(statuses("198.51.100.8", "/"), statuses("198.51.100.6", "/")...)...)); diff != "" {
		t.Errorf("after a reload (-want +got):\n%s", diff)
	}
}

// A client that is dropped gets no answer at all.
func TestFilterDrop(t *testing.T) {
	origin := startOrigin(t, func(http.ResponseWriter, *http.Request) {})
	options := "request_filter {\ndrop\nrule r {\nmatch /bad\n}\n}\nreverse_proxy $ORIGIN"
	s := startSite(t, origin.addr, siteConfig{http: options, https: options})
	if got := s.speak("GET /bad HTTP/1.1\r\nHost: site.test\r\n\r\n"); !strings.HasPrefix(got, "no answer") {
		t.Errorf("HTTP/1.1: %q, want no answer", got)
	}
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // the test's own certificate
	defer client.CloseIdleConnections()
	response, err := client.Get("https://" + s.vars["$HTTPS"] + "/bad")
	if err == nil {
		response.Body.Close()
		t.Errorf("HTTP/2: %d, want a stream error", response.StatusCode)
	} else if !strings.Contains(err.Error(), "stream error") {
		t.Errorf("HTTP/2: %v, want a stream error", err)
	}
	response, err = client.Get("https://" + s.vars["$HTTPS"] + "/good")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("HTTP/2: %v, %v, want the same connection to go on", response, err)
	}
	response.Body.Close()
}

// Who is held does not hold up a reload.
func TestFilterTarpit(t *testing.T) {
	const held = "request_filter {\ntarpit 1h\nrule r {\nmatch /bad\n}\n}\nreverse_proxy $ORIGIN"
	origin := startOrigin(t, func(http.ResponseWriter, *http.Request) {})
	s := startSite(t, origin.addr, siteConfig{http: held})
	waiting := s.sendTo("/bad")
	eventually(t, "the request to be held", func() bool { return s.logged("request blocked") })
	// A reload waits for requests under way, and breaks them off in the end.
	s.load(siteConfig{http: "reverse_proxy $ORIGIN\n# another"})
	s.wait(waiting, "the end of the request that was held", func() bool { return waiting.done })
	if waiting.status != http.StatusForbidden {
		t.Errorf("the answer is %d, %v, want 403", waiting.status, waiting.err)
	}
}

// logged reports whether Caddy's log has a message.
func (s *site) logged(message string) bool {
	for _, entry := range s.log() {
		if entry["msg"] == message {
			return true
		}
	}
	return false
}

// log reads what Caddy's log has by now.
func (s *site) log() (entries []map[string]any) {
	text, err := os.ReadFile(filepath.Join(s.dir, "caddy.log"))
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var entry map[string]any
		if json.Unmarshal(line, &entry) == nil {
			entries = append(entries, entry)
		}
	}
	return entries
}

// Whoever looks, sees the same: error pages, metrics, the access log, the log.
func TestFilterIsSeen(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("X-Tags"), " ", r.Header.Get("X-Action"))
	})
	s := startSite(t, origin.addr, siteConfig{
		global: "metrics",
		http: `metrics /metrics
			@metrics path /metrics
			request_filter {
				rule api { 
					match path /api/*
					action tag
				}
				probes detect
				rule old { 
					match ` + "`path('/old*') && method('POST')`" + `
				}
			}
			handle_errors {
				respond "{err.status_code} {err.message} {http.request_filter.action} {http.request_filter.reason} {http.request_filter.rule}"
			}
			reverse_proxy $ORIGIN {
				header_up X-Tags {http.request_filter.tags}
				header_up X-Action {http.request_filter.action}
			}`,
	})
	before := s.scrape()
	for request, want := range map[string]string{
		"GET /api/x":  "200 api pass",
		"GET /":       "200  pass",
		"GET /.env":   "200  detect",
		"POST /old/x": "403 403 request_filter: rule old: a rule denies the request block rule old",
	} {
		if got := s.speak(request + " HTTP/1.1\r\nHost: site.test\r\nContent-Length: 0\r\n\r\n"); got != want {
			t.Errorf("%s: %q, want %q", request, got, want)
		}
	}
	after := s.scrape()
	for series, want := range map[string]float64{
		`caddy_request_filter_requests_total{action="detect",reason="probe"}`: 1,
		`caddy_request_filter_requests_total{action="block",reason="rule"}`:   1,
		`caddy_request_filter_requests_total{action="block",reason="probe"}`:  0,
	} {
		if got := after[series] - before[series]; got != want {
			t.Errorf("%s has grown by %v, want %v", series, got, want)
		}
	}
	if !s.logged("request detected") || !s.logged("request blocked") {
		t.Error("an event is missing in the log")
	}
}

// What a client sends too much of says nothing about the upstream, to no policy;
// and what is told of a rate is for the client alone, not for the cache.
func TestFilterBesideTheOthers(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Cache-Control", "max-age=600")
		fmt.Fprint(w, "hello")
	})
	s := startSite(t, origin.addr, siteConfig{
		global: behindProxy,
		http:   "request_filter {\nrate beside {\nlimit 5/1h\n}\n}\nresponse_cache\nreverse_proxy $ORIGIN {\nlb_policy least_time\nfail_duration 1h\n}",
	})
	deep := strings.Repeat("[", 65)
	for i := range 3 {
		got := s.speak(fmt.Sprintf("POST /a HTTP/1.1\r\nHost: site.test\r\nX-Forwarded-For: 192.0.2.%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", i, len(deep), deep))
		if !strings.HasPrefix(got, "400") {
			t.Errorf("deep JSON: %q, want 400", got)
		}
	}
	if v := (&backend{testOrigin: origin}).view(t); v.Requests["error"] != 0 || v.Requests["canceled"] != 3 {
		t.Errorf("the policy has counted %v, want 3 canceled", v.Requests)
	}
	for i, want := range []string{"r=4", "r=3", "r=4"} {
		e := s.get("/page", "X-Forwarded-For", fmt.Sprint("198.51.100.", i/2))
		if got := e.header["Ratelimit"]; e.status != 200 || len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("request %d: %d, RateLimit %q, want one with %s", i, e.status, got, want)
		}
		if isHit(e) != (i > 0) {
			t.Errorf("request %d: Cache-Status %q", i, e.header.Get("Cache-Status"))
		}
	}
}

// In HTTP/2, too, the target is judged as sent, a body that is too much ends in an
// answer, and the other streams of the connection go on.
func TestFilterHTTP2(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, r.RequestURI)
	})
	options := "request_filter\nreverse_proxy $ORIGIN"
	s := startSite(t, origin.addr, siteConfig{http: options, https: options})
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // the test's own certificate
	defer client.CloseIdleConnections()
	ask := func(path, contentType, body string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.vars["$HTTPS"]+"/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Opaque = path // as it is
		r.ContentLength = -1
		r.Header.Set("Content-Type", contentType)
		response, err := client.Do(r)
		if err != nil {
			return err.Error()
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return fmt.Sprint(response.Proto, " ", response.StatusCode, " ", string(text))
	}
	for _, tt := range []struct{ path, contentType, body, want string }{
		{"/a%2Fb?c", "text/plain", "hello", "HTTP/2.0 200 /a%2Fb?c"},
		{"/a/../b", "text/plain", "", "HTTP/2.0 400 "},
		{"/%2egit/config", "text/plain", "", "HTTP/2.0 404 "},
		{"/a", "application/json", strings.Repeat("[", 65), "HTTP/2.0 400 "},
		{"/a", "application/x-www-form-urlencoded", "a=" + strings.Repeat("x", 10<<20), "HTTP/2.0 413 "},
		{"/a", "text/plain", strings.Repeat("x", 11<<20), "HTTP/2.0 200 /a"},
	} {
		if got := ask(tt.path, tt.contentType, tt.body); got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.path, tt.contentType, got, tt.want)
		}
	}
}
