package filter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// testServer is what requests of these tests come through.
var testServer = new(caddyhttp.Server)

// newHandler provisions the handler of a request_filter block.
func newHandler(tb testing.TB, block string) *Handler {
	tb.Helper()
	d := caddyfile.NewTestDispenser("request_filter {\n" + block + "\n}")
	module, err := ParseCaddyfile(httpcaddyfile.Helper{Dispenser: d})
	if err != nil {
		tb.Fatal(err)
	}
	h := module.(*Handler)
	provision(tb, h)
	return h
}

func provision(tb testing.TB, h *Handler) {
	tb.Helper()
	ctx, err := caddy.ProvisionContext(&caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}})
	if err != nil {
		tb.Fatal(err)
	}
	ctx.Context = context.WithValue(ctx.Context, caddyhttp.ServerCtxKey, testServer)
	err = errors.Join(h.Provision(ctx), h.Validate())
	if h.app != nil { // what the app shares ends with the test
		tb.Cleanup(func() { _ = h.app.Cleanup() })
	}
	if err != nil {
		tb.Fatal(err)
	}
	h.log = zap.NewNop()
}

// watched is newHandler with its log.
func watched(tb testing.TB, block string) (*Handler, *observer.ObservedLogs) {
	h := newHandler(tb, block)
	core, logs := observer.New(zapcore.InfoLevel)
	h.log = zap.New(core)
	return h, logs
}

// from is a request of a client as Caddy's server hands it to handlers: a request
// line without version, and fields.
func from(client, line string, fields ...string) *http.Request {
	method, target, _ := strings.Cut(line, " ")
	r := httptest.NewRequest(method, "/", nil)
	r.RequestURI = target
	if u, err := url.ParseRequestURI(target); err == nil {
		r.URL = u
	}
	r.Host = "site.test"
	r.RemoteAddr = client + ":4711"
	if strings.Contains(client, ":") {
		r.RemoteAddr = "[" + client + "]:4711"
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), testServer)
}

var origin = caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(http.StatusOK)
	return nil
})

// ask returns the status of a request, whether an error or written, and the
// header of the answer.
func ask(h *Handler, r *http.Request) (int, http.Header) {
	w := httptest.NewRecorder()
	err := h.ServeHTTP(w, r, origin)
	var status caddyhttp.HandlerError
	if errors.As(err, &status) {
		return status.StatusCode, w.Header()
	}
	return w.Code, w.Header()
}

// replaced expands placeholders as a handler behind the filter would.
func replaced(r *http.Request, text string) string {
	return r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).ReplaceAll(text, "")
}

const allPlaceholders = "{http.request_filter.action} {http.request_filter.reason} {http.request_filter.rule} {http.request_filter.score} {http.request_filter.tags}"

// One row for each step: what it is asked, and what it says.
func TestSteps(t *testing.T) {
	tests := []struct {
		name, block, request string
		fields               []string
		status               int
		says                 string
	}{
		{"nothing", "", "GET /", nil, 200, "pass   0 "},
		{"deny", "deny 192.0.2.0/24", "GET /", nil, 403, "block address range 0 "},
		{"allow inside deny", "deny 192.0.2.0/24\nallow $CLIENT", "GET /", nil, 200, "pass   0 "},
		{"deny all", "deny all", "GET /", nil, 403, "block address all 0 "},
		{"deny all but", "deny all\nallow 192.0.2.0/24", "GET /", nil, 200, "pass   0 "},
		{"allow lifts no limit", "allow $CLIENT", "GET /?" + strings.Repeat("a&", 300), nil, 400, "block limit args 0 "},
		{"uri", "", "GET /" + strings.Repeat("a", 8192), nil, 414, "block limit uri 0 "},
		{"uri off", "limits {\nuri off\n}", "GET /" + strings.Repeat("a", 8192), nil, 200, "pass   0 "},
		{"header size", "limits {\nheader_size 100B\n}", "GET /", []string{"A: " + strings.Repeat("a", 100)}, 431, "block limit header_size 0 "},
		{"headers", "limits {\nheaders 2\n}", "GET /", []string{"A: 1", "B: 1"}, 431, "block limit headers 0 "},
		{"limits off", "limits off", "GET /" + strings.Repeat("a", 8192), nil, 200, "pass   0 "},
		{"framing", "", "GET /", []string{"Connection: close, Authorization"}, 400, "block framing connection_option 0 "},
		{"framing off", "framing off", "GET /", []string{"Connection: close, Authorization"}, 200, "pass   0 "},
		{"path", "", "GET /a/%2e%2e/b", nil, 400, "block path traversal 0 "},
		{"path off", "path off", "GET /a/%2e%2e/b", nil, 200, "pass   0 "},
		{"path detect", "path detect", "GET /a/%2e%2e/b", nil, 200, "detect path traversal 0 "},
		{"honeypot", "honeypot /trap", "GET /trap/", nil, 404, "block honeypot /trap 0 "},
		{"honeypot prefix", "honeypot /old-admin*", "GET /old-admin/login", nil, 404, "block honeypot /old-admin* 0 "},
		{"probe", "", "GET /.env", nil, 404, "block probe secret 5 "},
		{"probe with a parameter", "", "GET /.env;x=1", nil, 404, "block probe secret 5 "},
		{"probe encoded", "", "GET /%2eenv", nil, 404, "block probe secret 5 "},
		{"probe where the path is off", "path off", "GET /.git/a%252f", nil, 404, "block probe vcs 5 "},
		{"probes off", "probes off", "GET /.env", nil, 200, "pass   0 "},
		{"scanner", "", "GET /", []string{"User-Agent: sqlmap/1.7"}, 403, "block bot scanners 0 "},
		{"scanner allowed", "bots allow scanners", "GET /", []string{"User-Agent: sqlmap/1.7"}, 200, "pass   0 "},
		{"second User-Agent", "", "GET /", []string{"User-Agent: Mozilla/5.0", "User-Agent: sqlmap/1.7"}, 403, "block bot scanners 0 "},
		{"ai", "bots deny ai_crawlers", "GET /", []string{"User-Agent: GPTBot/1.0"}, 403, "block bot ai_crawlers 0 "},
		{"ai but search", "bots deny ai_crawlers\nbots allow ai_search", "GET /", []string{"User-Agent: OAI-SearchBot/1.0"}, 200, "pass   0 "},
		{"bots off", "bots off", "GET /", []string{"User-Agent: sqlmap/1.7"}, 200, "pass   0 "},
		{"rule", "rule r {\nmatch `{http.request.method} == 'TRACE'`\n}", "TRACE /", nil, 403, "block rule r 0 "},
		{"rule with status", "rule r {\nmatch path /x\naction block 451\n}", "GET /x", nil, 451, "block rule r 0 "},
		{"rule not matching", "rule r {\nmatch /x\n}", "GET /y", nil, 200, "pass   0 "},
		{"rule with a block of matchers", "rule r {\nmatch {\nmethod GET\nheader A b\n}\n}", "GET /", []string{"A: b"}, 403, "block rule r 0 "},
		{"rule on a path with parameters", "rule r {\nmatch /admin/*\n}", "GET /admin;v=1/users", nil, 403, "block rule r 0 "},
		{"rule on an encoded path", "rule r {\nmatch /admin/*\n}", "GET //%61dmin%2fusers", nil, 403, "block rule r 0 "},
		{"any of two matches", "rule r {\nmatch /x\nmatch /y\n}", "GET /y", nil, 403, "block rule r 0 "},
		{"tags", "rule one {\nmatch *\naction tag\n}\nrule two {\nmatch *\naction tag\n}", "GET /", nil, 200, "pass   0 one,two"},
		{"rule that detects", "rule r {\nmatch *\nmode detect\n}", "GET /", nil, 200, "detect rule r 0 "},
		{"rule that fails", "rule r {\nmatch `int({http.request.uri.query.n}) > 5`\n}", "GET /?n=word", nil, 500, "block rule r 0 "},
		{"score below", "rule r {\nmatch *\naction score 4\n}", "GET /", nil, 200, "pass   4 "},
		{"score", "rule r {\nmatch *\naction score 3\n}\nrule s {\nmatch *\naction score 2\n}", "GET /", nil, 403, "block score r,s 5 "},
		{"threshold", "threshold 6\nrule r {\nmatch *\naction score 5\n}", "GET /", nil, 200, "pass   5 "},
		{"a score that only detects", "rule r {\nmatch *\naction score 5\nmode detect\n}", "GET /", nil, 200, "detect rule r 0 "},
		{"detect", "mode detect", "GET /.env", nil, 200, "detect probe secret 0 "},
		{"detect names the first", "mode detect", "GET /.env/../x", []string{"User-Agent: sqlmap"}, 200, "detect path traversal 0 "},
		{"detect but for a rule", "mode detect\nrule r {\nmatch *\nmode block\n}", "GET /.env", nil, 403, "block rule r 0 "},
		{"respond", "deny all\nrespond 410", "GET /", nil, 410, "block address all 0 "},
		{"respond leaves probes", "respond 410", "GET /.env", nil, 404, "block probe secret 5 "},
		{"OPTIONS *", "", "OPTIONS *", nil, 200, "pass   0 "},
		{"a long OAuth query", "", "GET /cb?code=" + strings.Repeat("x", 4000) + "&redirect_uri=https%3A%2F%2Fa%2F..%2Fb&state=%00", nil, 200, "pass   0 "},
		{"UTF-8", "", "GET /caf%C3%A9/%E6%97%A5%E6%9C%AC", nil, 200, "pass   0 "},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := fmt.Sprint("192.0.2.", i) // of its own: a trap bans it
			h := newHandler(t, strings.ReplaceAll(tt.block, "$CLIENT", client))
			method, target, _ := strings.Cut(tt.request, " ")
			if target == "*" {
				tt.request = method + " /"
			}
			r := from(client, tt.request, tt.fields...)
			r.RequestURI = target
			status, _ := ask(h, r)
			if got := replaced(r, allPlaceholders); status != tt.status || got != tt.says {
				t.Errorf("%d %q, want %d %q", status, got, tt.status, tt.says)
			}
		})
	}
}

// The log has one event for each request that is blocked or detected, and
// nothing of cookies or credentials.
func TestEvents(t *testing.T) {
	h, logs := watched(t, "mode detect\nrule r {\nmatch path /.env\nmode block\n}")
	ask(h, from("192.0.2.7", "GET /"))
	ask(h, from("192.0.2.7", "GET /.git/config?a=1", "Cookie: secret", "Authorization: secret", "User-Agent: curl/8"))
	ask(h, from("192.0.2.7", "GET /.env", "User-Agent: sqlmap"))
	var got []map[string]any
	for _, e := range logs.All() {
		m := e.ContextMap()
		m["message"] = e.Message
		got = append(got, m)
	}
	event := func(message, reason, rule, mode, method, uri, userAgent, text string, status int64, also ...any) map[string]any {
		if also == nil {
			also = []any{}
		}
		return map[string]any{
			"message": message, "client_ip": "192.0.2.7", "reason": reason, "rule": rule, "mode": mode,
			"method": method, "host": "site.test", "uri": uri, "user_agent": userAgent, "status": status,
			"error": text, "answer": "", "score": int64(0), "tags": []any{}, "also": also,
		}
	}
	want := []map[string]any{
		event("request detected", "probe", "vcs", "detect", "GET", "/.git/config?a=1", "curl/8",
			"request_filter: probe vcs: the path is one that scanners ask for", 404),
		event("request blocked", "rule", "r", "block", "GET", "/.env", "sqlmap",
			"request_filter: rule r: a rule denies the request", 403, "probe secret", "bot scanners"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// discard is a ResponseWriter that allocates nothing but its header.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// A request that passes costs nearly nothing, over a handler that does nothing.
func TestAllocations(t *testing.T) {
	tests := []struct {
		name, block, request string
		budget               float64
		fields               []string
	}{
		{"defaults", "", "GET /page?a=1&b=2", 3, nil},
		{"as browsers ask", "", "GET /page", 3, []string{"Accept-Encoding: gzip, br", "Cookie: a=b", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "Accept: */*"}},
		{"a crawler", "bots deny ai_crawlers", "GET /page", 3, []string{"User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1)"}},
		{"addresses", "deny 198.51.100.0/24\nallow 192.0.2.0/24", "GET /page", 3, nil},
		{"bans", "ban {\nafter 3 in 1m\nfor 1h\n}\nhoneypot /trap", "GET /page", 3, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHandler(t, tt.block)
			r := from("192.0.2.7", tt.request, tt.fields...)
			repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
			pristine := *repl
			measure := func(serve func(http.ResponseWriter) error) float64 {
				return testing.AllocsPerRun(200, func() {
					*repl = pristine
					_ = serve(&discard{header: make(http.Header)})
				})
			}
			empty := measure(func(w http.ResponseWriter) error { return origin.ServeHTTP(w, r) })
			got := measure(func(w http.ResponseWriter) error { return h.ServeHTTP(w, r, origin) }) - empty
			if got > tt.budget {
				t.Errorf("allocations = %v, want at most %v", got, tt.budget)
			}
			if status, _ := ask(h, r); status != http.StatusOK {
				t.Fatalf("status %d: the request does not pass", status)
			}
			t.Logf("%v allocations", got)
		})
	}
}
