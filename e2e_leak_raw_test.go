package portico_test

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// rawLeakFields are fields that tell of an origin, each with a value to be looked for:
// those of the inventories of F5, Airlock and OWASP, and of what is run most.
var rawLeakFields = []string{
	"Server", "X-Powered-By", "X-AspNet-Version", "X-AspNetMvc-Version", "X-Generator", "X-Drupal-Cache", "X-Drupal-Dynamic-Cache",
	"X-Pingback", "X-Runtime", "X-Rack-Cache", "X-Debug-Token", "X-Debug-Token-Link", "X-Version", "X-Backend-Server", "X-Upstream",
	"X-Served-By", "X-Host", "X-Cache", "X-Cache-Hits", "X-Varnish", "X-Amz-Request-Id", "X-Amz-Cf-Id", "X-Goog-Generation",
	"X-Azure-Ref", "X-OWA-Version", "SourceMap", "X-SourceMap", "Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host",
	"Server-Timing", "X-Request-Id", "X-Correlation-Id", "X-Trace-Id", "Traceparent", "X-B3-TraceId", "NEL", "Report-To",
	"Reporting-Endpoints", "Origin-Trial", "X-Powered-By-Plesk", "X-Powered-CMS", "X-PHP-Version", "X-Content-Encoded-By",
	"X-Redirect-By", "X-LiteSpeed-Cache", "X-Turbo-Charged-By", "X-Mod-Pagespeed", "X-Page-Speed", "X-Jenkins", "X-Hudson",
	"Liferay-Portal", "X-FEServer", "X-BEServer", "X-CalculatedBETarget", "X-DiagInfo", "MicrosoftSharePointTeamServices",
	"SPRequestGuid", "X-SharePointHealthScore", "X-MS-InvokeApp", "X-Envoy-Upstream-Service-Time", "X-Kong-Proxy-Latency",
	"X-Application-Context", "X-Instance-Id", "X-Pod-Name", "X-Hostname", "X-Response-Time", "X-Timer", "X-Umbraco-Version",
	"X-Accel-Redirect", "X-Sendfile", "CF-Ray", "X-Vercel-Id", "X-Nf-Request-Id", "Fly-Request-Id", "X-Kubernetes-PF-FlowSchema-UID",
	"X-Backside-Transport", "X-Global-Transaction-ID", "X-Framework", "X-Server", "X-Server-Name", "X-Node", "X-dtAgentId",
	"X-OneAgent-JS-Injection", "X-Ruxit-JS-Agent", "Host-Header", "Product", "$wsep", "X-Datadog-Trace-Id", "Request-Context",
	"X-Cloud-Trace-Context", "Uber-Trace-Id", "X-Original-URL", "X-Proxy-Cache", "X-CDN", "X-Real-IP", "X-Confluence-Request-Time",
	"X-ARequestId", "X-Gitlab-Meta", "X-Magento-Cache-Debug", "X-Shopify-Stage", "X-Typo3-Parsetime", "X-Atmosphere-tracking-id",
}

// rawLeakPlaces are fields that clients need, with places behind the site in them. $UP
// is the origin's address.
var rawLeakPlaces = []struct{ name, value string }{
	{"Link", "<http://10.1.2.3:8080/style.css>; rel=preload, <//app.internal/x>; rel=next"},
	{"Content-Security-Policy", "default-src 'self' http://app.internal:8080 $UP; report-uri http://10.1.2.3/csp"},
	{"Access-Control-Allow-Origin", "http://$UP"},
	{"Content-Location", "http://$UP/c"},
	{"Refresh", "5; url=http://192.168.7.7/r"},
	{"X-Application", "see http://$UP/doc and https://[fd00::7]:9/x"},
	{"Set-Cookie", "session=1; Domain=app.internal; Path=/"},
}

func rawLeakValue(i int) string { return fmt.Sprintf("leak%03d", i) }

// rawLeakTokens are what must not be seen, whatever it is in.
func rawLeakTokens(up string) (tokens []string) {
	for i := range rawLeakFields {
		tokens = append(tokens, rawLeakValue(i))
	}
	return append(tokens, up, "10.1.2.3", "app.internal", "192.168.7.7", "fd00::7", "leak-page", "leak-trailer", "leak-late", "leak-message", "leak-user")
}

// rawLeakAll puts everything into a header.
func rawLeakAll(h http.Header, up string) {
	for i, name := range rawLeakFields {
		h.Set(name, rawLeakValue(i))
	}
	for _, p := range rawLeakPlaces {
		h.Set(p.name, strings.ReplaceAll(p.value, "$UP", up))
	}
}

// startRawLeakyOrigin answers on every path in another way, and tells everything in
// every header. It speaks HTTP/1.1 and HTTP/2 without TLS.
func startRawLeakyOrigin(t *testing.T) (addr string) {
	server := httptest.NewUnstartedServer(nil)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	addr = server.Listener.Addr().String()
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rawLeakAll(w.Header(), addr)
		rawLeakAnswer(w, r, addr)
	})
	server.Start()
	t.Cleanup(server.Close)
	return addr
}

func rawLeakAnswer(w http.ResponseWriter, r *http.Request, addr string) {
	h := w.Header()
	switch r.URL.Path {
	case "/redirect":
		h.Set("Location", "http://leak-user:x@"+addr+"/next?a=%2Fb&c=d#e")
		w.WriteHeader(http.StatusFound)
	case "/private":
		h.Set("Location", "//10.1.2.3:8080/next")
		w.WriteHeader(http.StatusMovedPermanently)
	case "/odd":
		h.Set("Location", `http:\\app.internal\next`)
		w.WriteHeader(http.StatusSeeOther)
	case "/notfound":
		http.Error(w, "no such page", http.StatusNotFound)
	case "/error", "/unavailable":
		h.Set("Retry-After", "7")
		w.WriteHeader(map[string]int{"/error": 500, "/unavailable": 503}[r.URL.Path])
		fmt.Fprint(w, "leak-page: Traceback (most recent call last)")
	case "/hints":
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		fmt.Fprint(w, "hello")
	case "/range":
		http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("0123456789"))
	case "/tagged":
		h.Set("ETag", `"inode-1"`)
		http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("0123456789"))
	case "/trailers":
		h.Set("Trailer", "X-Trace-Id, X-Sum")
		flush(w)
		fmt.Fprint(w, "hello")
		h.Set("X-Trace-Id", "leak-trailer")
		h.Set("X-Sum", "42")
		h.Set(http.TrailerPrefix+"X-Runtime", "leak-late")
	case "/grpc":
		h.Set("Content-Type", "application/grpc")
		h.Set("Trailer", "Grpc-Status, Grpc-Message")
		flush(w)
		h.Set("Grpc-Status", "13")
		h.Set("Grpc-Message", "leak-message at "+addr)
		h.Set(http.TrailerPrefix+"Grpc-Status-Details-Bin", "leak-message")
	case "/socket":
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", "websocket")
		w.WriteHeader(http.StatusSwitchingProtocols)
		if conn, rw, err := http.NewResponseController(w).Hijack(); err == nil {
			line, _ := rw.ReadString('\n')
			fmt.Fprint(conn, strings.ToUpper(line))
			conn.Close()
		}
	default:
		fmt.Fprint(w, "hello")
	}
}

// rawLeakRequests are those that reach every kind of answer, as raw bytes.
var rawLeakRequests = []struct {
	name, method, path string
	fields             []string
}{
	{"200", "GET", "/", nil},
	{"HEAD", "HEAD", "/", nil},
	{"OPTIONS", "OPTIONS", "/", nil},
	{"404", "GET", "/notfound", nil},
	{"500", "GET", "/error", nil},
	{"500 to HEAD", "HEAD", "/error", nil},
	{"503", "GET", "/unavailable", nil},
	{"502 of Caddy", "GET", "/down", nil},
	{"302", "GET", "/redirect", nil},
	{"301 to a private address", "GET", "/private", nil},
	{"303 spelled oddly", "GET", "/odd", nil},
	{"103", "GET", "/hints", nil},
	{"206", "GET", "/range", []string{"Range: bytes=2-4"}},
	{"416", "GET", "/range", []string{"Range: bytes=99-"}},
	{"304", "GET", "/tagged", []string{"If-None-Match: *"}},
	{"trailers", "GET", "/trailers", []string{"TE: trailers"}},
	{"gRPC", "POST", "/grpc", []string{"TE: trailers", "Content-Type: application/grpc", "Content-Length: 0"}},
	{"TRACE", "TRACE", "/", []string{"X-Secret: leak-user"}},
}

// wholeAnswer is every byte that comes back until the server closes.
func (s *site) wholeAnswer(method, path string, fields []string) string {
	s.t.Helper()
	all, err := s.rawOnce(method, path, fields)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return all
}

// http2Fields are lines of a header as names and values in turn, in lower case.
func http2Fields(lines []string) (fields []string) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		fields = append(fields, strings.ToLower(name), value)
	}
	return fields
}

const rawLeakRoutes = "handle /down {\n$HIDE\nreverse_proxy $DOWN\n}\nhandle {\n$HIDE\nreverse_proxy $ORIGIN\n}"

// rawLeakSite is a site with options of hide_origin; without it, if they are "off".
func rawLeakSite(t *testing.T, addr, options string) *site {
	hide := "hide_origin {\n" + options + "\n}"
	switch options {
	case "off":
		hide = ""
	case "":
		hide = "hide_origin"
	}
	routes := strings.ReplaceAll(rawLeakRoutes, "$HIDE", hide)
	return startSite(t, addr, siteConfig{http: routes, https: strings.ReplaceAll(routes, "reverse_proxy $ORIGIN", "reverse_proxy h2c://$ORIGIN")})
}

// found are the tokens that are in a text, in any case.
func foundTokens(text string, tokens []string) (seen []string) {
	text = strings.ToLower(text)
	for _, token := range tokens {
		if strings.Contains(text, strings.ToLower(token)) {
			seen = append(seen, token)
		}
	}
	return seen
}

// No token of the origin reaches a client, on any path, and neither does Caddy's
// name. Without hide_origin every one of them does.
func TestNothingLeaksRaw(t *testing.T) {
	addr := startRawLeakyOrigin(t)
	tokens := append(rawLeakTokens(addr), "caddy")
	t.Run("HTTP/1.1", func(t *testing.T) {
		s := rawLeakSite(t, addr, "")
		for _, r := range rawLeakRequests {
			if answer := s.wholeAnswer(r.method, r.path, r.fields); len(foundTokens(answer, tokens)) > 0 {
				t.Errorf("%s: %v in\n%s", r.name, foundTokens(answer, tokens), answer)
			}
		}
		if answer := s.upgrade(); len(foundTokens(answer, tokens)) > 0 || !strings.HasSuffix(answer, "\r\n\r\nHELLO\n") {
			t.Errorf("101: %v in\n%s", foundTokens(answer, tokens), answer)
		}
	})
	t.Run("HTTP/2", func(t *testing.T) {
		s := rawLeakSite(t, addr, "")
		for _, r := range rawLeakRequests {
			if answer := s.http2Answer(r.method, r.path, http2Fields(r.fields)...); len(foundTokens(answer, tokens)) > 0 {
				t.Errorf("%s: %v in\n%s", r.name, foundTokens(answer, tokens), answer)
			}
		}
	})
	t.Run("without", func(t *testing.T) {
		s := rawLeakSite(t, addr, "off")
		var all strings.Builder
		for _, r := range rawLeakRequests {
			all.WriteString(s.wholeAnswer(r.method, r.path, r.fields) + s.http2Answer(r.method, r.path, http2Fields(r.fields)...))
		}
		if seen := foundTokens(all.String(), tokens); len(seen) != len(tokens) {
			t.Errorf("not there to be hidden: %v", slices.DeleteFunc(tokens, func(token string) bool { return slices.Contains(seen, token) }))
		}
	})
}

// upgrade is a conversation over a WebSocket's connection.
func (s *site) upgrade() string {
	conn := s.dial("GET /socket HTTP/1.1\r\nHost: site.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	head := readRawHead(s.t, conn)
	fmt.Fprint(conn, "hello\n")
	rest, _ := io.ReadAll(conn)
	return head + string(rest)
}

func readRawHead(t testing.TB, conn net.Conn) string {
	var head strings.Builder
	for b := make([]byte, 1); !strings.HasSuffix(head.String(), "\r\n\r\n"); {
		if _, err := conn.Read(b); err != nil {
			t.Fatalf("after %q: %v", head.String(), err)
		}
		head.Write(b)
	}
	return head.String()
}

func writeRawHeader(w io.Writer, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			fmt.Fprintf(w, "\n%s: %s", name, value)
		}
	}
	fmt.Fprintln(w)
}
