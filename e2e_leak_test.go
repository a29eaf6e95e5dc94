package portico_test

// The leak test: an origin that tells on every path, in every header that an
// answer can have, what it is. Each thing that it tells has a token of its own;
// what comes over the wire is searched for tokens as it is, and decoded. The
// same origin without hide_origin shows that the tokens would arrive.

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// leakyFields are what servers and frameworks are known to say.
var leakyFields = []string{
	"Server", "X-Powered-By", "X-AspNet-Version", "X-AspNetMvc-Version", "X-Generator", "X-Drupal-Cache", "X-Drupal-Dynamic-Cache",
	"X-Pingback", "X-Runtime", "X-Rack-Cache", "X-Debug-Token", "X-Debug-Token-Link", "X-Version", "X-Backend", "X-Backend-Server",
	"X-Upstream", "X-Served-By", "X-Host", "X-Hostname", "X-Server-Name", "X-Cache", "X-Cache-Hits", "X-Varnish", "X-Amz-Request-Id",
	"X-Amz-Cf-Id", "X-Amzn-Trace-Id", "X-Goog-Generation", "X-Guploader-Uploadid", "X-Azure-Ref", "X-Ms-Request-Id", "X-OWA-Version",
	"X-FEServer", "SourceMap", "X-SourceMap", "Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Server", "X-Real-Ip",
	"Server-Timing", "X-Request-Id", "X-Correlation-Id", "X-Trace-Id", "X-B3-Traceid", "Traceparent", "Tracestate", "Traceresponse",
	"X-Cloud-Trace-Context", "Uber-Trace-Id", "Alt-Svc", "Nel", "Report-To", "Reporting-Endpoints", "Origin-Trial", "X-Envoy-Upstream-Service-Time",
	"X-Kong-Proxy-Latency", "X-Litespeed-Cache", "X-Mod-Pagespeed", "X-Page-Speed", "X-Php-Version", "Cf-Ray", "X-Vercel-Id", "X-Node",
	"X-Application-Context", "X-Jenkins", "X-Timer", "X-Response-Time", "X-Proxy-Cache", "X-Instance-Id", "X-Pod-Name", "X-Redirect-By",
	"X-Nextjs-Cache", "Proxy-Status", "X-Own-Secret", "X-Accel-Expires",
}

// leakyPlaces are fields with a place in them, %s.
var leakyPlaces = map[string][]string{
	"Location":                            {"http://%s:8080/next"},
	"Content-Location":                    {"http://u:p@%s/a"},
	"Link":                                {`<http://%s/a.css>; rel=preload, <//%s:81/b>; anchor="http://%s/"`},
	"Refresh":                             {"5; url=http://%s:8080/"},
	"Set-Cookie":                          {"session=1; Domain=%s.internal; Path=/"},
	"Access-Control-Allow-Origin":         {"http://%s:8080"},
	"Content-Security-Policy":             {"default-src 'self' http://%s:8080 %s:8081"},
	"Content-Security-Policy-Report-Only": {"default-src 'self'; report-uri http://%s/csp"},
	"Www-Authenticate":                    {`Basic realm="http://%s.internal:8080"`},
}

// leaky writes into h a token for each leak, marked with the kind of header.
func leaky(h http.Header, kind string) {
	for _, name := range leakyFields {
		h.Add(name, "leak-"+kind+"-"+name)
	}
	for name, values := range leakyPlaces {
		for _, v := range values {
			if name == "Location" && kind == "final" || name == "Www-Authenticate" && kind == "hints" {
				continue
			}
			h.Add(name, strings.ReplaceAll(v, "%s", "leak-"+kind+"-"+strings.ToLower(name)))
		}
	}
}

const leakyBody = "a body of the site that says nothing of what made it"

// leakyOrigin answers by path.
func leakyOrigin(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	switch path := strings.TrimPrefix(r.URL.Path, "/"); path {
	case "hints":
		for i := range 2 {
			leaky(h, "hints")
			h.Set("Link", fmt.Sprintf("<http://leak-hints/%d>; rel=preload", i))
			w.WriteHeader(http.StatusEarlyHints)
		}
		clear(h)
		leaky(h, "final")
		_, _ = io.WriteString(w, leakyBody)
	case "trailers", "undeclared":
		leakyTrailers(w, path == "trailers")
	case "redirect":
		leaky(h, "final")
		h.Set("Location", "http://leak-location:8080/whole?from=http%3A%2F%2Fleak-query%3A81%2F")
		w.WriteHeader(http.StatusFound)
	case "404", "500", "503":
		leaky(h, "error")
		h.Set("Retry-After", "7")
		h.Set("Content-Type", "text/html")
		w.WriteHeader(int(path[0]-'0')*100 + int(path[2]-'0'))
		_, _ = io.WriteString(w, strings.Repeat("<h1>leak-page</h1> Tomcat", 1+9000*int(path[0]-'4')))
	case "broken":
		leaky(h, "error")
		h.Set("Content-Length", "100")
		w.WriteHeader(500)
		_, _ = io.WriteString(w, "leak-page")
	case "ws":
		leakySocket(w, r)
	default:
		leaky(h, "final")
		h.Set("Etag", `"leak-etag"`)
		h.Set("Content-Type", "text/plain")
		h.Set("Cache-Control", "max-age=60")
		http.ServeContent(w, r, "", time.Unix(1e9, 0), strings.NewReader(leakyBody+" http://leak-body:8080/"))
	}
}

func leakyTrailers(w http.ResponseWriter, declared bool) {
	h := w.Header()
	leaky(h, "final")
	prefix := http.TrailerPrefix
	if declared {
		prefix = ""
		h.Set("Trailer", "X-Trace-Id, Server-Timing, X-Checksum, Link")
	}
	_, _ = io.WriteString(w, leakyBody)
	flush(w)
	h.Set(prefix+"X-Trace-Id", "leak-trailer-trace")
	h.Set(prefix+"Server-Timing", "leak-trailer-timing")
	h.Set(prefix+"X-Checksum", "0123")
	if !declared {
		h.Set(prefix+"Link", "<http://leak-trailer-link/>")
	} else {
		h.Del("Link")
	}
}

func leakySocket(w http.ResponseWriter, r *http.Request) {
	header := http.Header{}
	leaky(header, "switch")
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, header)
	if err != nil {
		return
	}
	defer conn.Close()
	if kind, message, err := conn.ReadMessage(); err == nil {
		_ = conn.WriteMessage(kind, message)
	}
}

var leakToken = regexp.MustCompile(`(?i)leak-[-\w]+|Tomcat|Server: Caddy|1\.1 Caddy|2\.0 Caddy`)

func tokens(raw string) []string {
	found := leakToken.FindAllString(raw, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// rawAnswer is all that comes over a connection for one request. A connection
// that was queued while Caddy reloaded is closed unanswered, so it asks again.
func (s *site) rawAnswer(method, path string, fields ...string) string {
	s.t.Helper()
	var err error
	for range 5 {
		var raw string
		if raw, err = s.rawOnce(method, path, fields); raw != "" {
			return raw
		}
	}
	s.t.Fatalf("%s %s: no answer, %v", method, path, err)
	return ""
}

func (s *site) rawOnce(method, path string, fields []string) (string, error) {
	conn, err := net.Dial("tcp", s.vars["$HTTP"])
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	text := method + " " + path + " HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n"
	for _, f := range fields {
		text += f + "\r\n"
	}
	_, _ = io.WriteString(conn, text+"\r\n")
	raw, err := io.ReadAll(conn)
	return string(raw), err
}

const hidden = "hide_origin {\nheaders X-Own-Secret\nerrors 4xx 5xx\netag hash\nbody http://leak-body:8080 {scheme}://{hostport}\n}\n"

// leakyAnswers are requests, what must be in their answers all the same, and the
// least number of tokens without hide_origin.
var leakyAnswers = []struct {
	name, method, path string
	fields             []string
	want               []string
	least              int
}{
	{"200", "GET", "/whole", nil, []string{"200 OK", leakyBody, "Etag: ", "Link: <http://site.test/a.css>; rel=preload", "Set-Cookie: session=1; Path=/"}, 80},
	{"HEAD", "HEAD", "/whole", nil, []string{"200 OK", "Etag: "}, 80},
	{"103", "GET", "/hints", nil, []string{"103 Early Hints\r\n", "Link: <http://site.test/0>; rel=preload", "Link: <http://site.test/1>; rel=preload", leakyBody}, 150},
	{"redirect", "GET", "/redirect", nil, []string{"302 Found", "Location: http://site.test/whole?from=http%3A%2F%2Fsite.test%2F"}, 80},
	{"404", "GET", "/404", nil, []string{"404 Not Found", "Retry-After: 7", "Content-Length: 0"}, 80},
	{"500", "GET", "/500", nil, []string{"500 Internal", "Content-Length: 0"}, 80},
	{"500 HEAD", "HEAD", "/500", nil, []string{"500 Internal"}, 80},
	{"503", "GET", "/503", nil, []string{"503 Service", "Retry-After: 7", `Www-Authenticate: Basic realm="http://site.test"`}, 80},
	{"500 that breaks off", "GET", "/broken", nil, []string{"500 Internal", "Content-Length: 0"}, 0},
	{"416", "GET", "/whole", []string{"Range: bytes=999-"}, nil, 80},
	{"304", "GET", "/whole", []string{"If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"}, []string{"304 Not Modified"}, 70},
	{"412", "GET", "/whole", []string{`If-Match: "other"`}, []string{"412 Precondition"}, 80},
	{"trailers", "GET", "/trailers", nil, []string{leakyBody, "X-Checksum: 0123"}, 80},
	{"undeclared trailers", "GET", "/undeclared", nil, []string{leakyBody, "X-Checksum: 0123", "Link: <http://site.test/>"}, 80},
	{"101", "GET", "/ws", []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, nil, 70},
	{"TRACE", "TRACE", "/whole", []string{"X-Forwarded-Host: leak-trace"}, []string{"405 Method Not Allowed", "Allow: GET"}, 0},
	{"a dead upstream", "GET", "/dead", nil, []string{"502 Bad Gateway"}, 1},
}

func TestLeaks(t *testing.T) {
	origin := startOrigin(t, leakyOrigin)
	routes := "%sreverse_proxy /dead $DOWN\nreverse_proxy $ORIGIN"
	s := startSite(t, origin.addr, siteConfig{http: fmt.Sprintf(routes, hidden)})
	for _, tt := range leakyAnswers {
		if tt.name == "101" {
			continue // the connection stays open: TestLeaksWebSocket
		}
		raw := s.rawAnswer(tt.method, tt.path, tt.fields...)
		if found := tokens(raw); len(found) > 0 {
			t.Errorf("%s: %d tokens: %q in\n%s", tt.name, len(found), found, raw[:min(len(raw), 4000)])
		}
		for _, want := range tt.want {
			if !strings.Contains(raw, want) {
				t.Errorf("%s: no %q in\n%s", tt.name, want, raw[:min(len(raw), 4000)])
			}
		}
	}
	// What the test looks for would be there.
	s.load(siteConfig{http: fmt.Sprintf(routes, "")})
	for _, tt := range leakyAnswers {
		if tt.name == "101" || tt.least == 0 {
			continue
		}
		if found := tokens(s.rawAnswer(tt.method, tt.path, tt.fields...)); len(found) < tt.least {
			t.Errorf("%s without hide_origin: %d tokens, want %d at least: the test sees too little", tt.name, len(found), tt.least)
		}
	}
}

// Caddy's own error pages: the site's error routes answer, with the status of
// the origin and what clients need of its header.
func TestLeaksErrorRoutes(t *testing.T) {
	origin := startOrigin(t, leakyOrigin)
	s := startSite(t, origin.addr, siteConfig{http: hidden + "reverse_proxy /dead $DOWN\nreverse_proxy $ORIGIN\n" +
		"handle_errors {\nheader X-Site yes\nrespond \"sorry: {err.status_code}\"\n}"})
	for path, want := range map[string]string{"/503": "503 ", "/404": "404 ", "/dead": "502 ", "/broken": "500 "} {
		raw := s.rawAnswer("GET", path)
		status, _, _ := strings.Cut(want, " ")
		for _, w := range []string{want, "sorry: " + status, "X-Site: yes", "Content-Length: 10"} {
			if !strings.Contains(raw, w) {
				t.Errorf("%s: no %q in\n%s", path, w, raw)
			}
		}
		if found := tokens(raw); len(found) > 0 {
			t.Errorf("%s: %q in\n%s", path, found, raw)
		}
		if strings.HasSuffix(path, "3") && !strings.Contains(raw, "Retry-After: 7") {
			t.Errorf("%s: Retry-After is lost\n%s", path, raw)
		}
	}
}

func TestLeaksWebSocket(t *testing.T) {
	origin := startOrigin(t, leakyOrigin)
	s := startSite(t, origin.addr, siteConfig{http: hidden + "reverse_proxy $ORIGIN"})
	for _, hides := range []bool{true, false} {
		if !hides {
			s.load(siteConfig{http: "reverse_proxy $ORIGIN"})
		}
		var raw bytes.Buffer
		dialer := websocket.Dialer{NetDial: func(network, _ string) (net.Conn, error) {
			conn, err := net.Dial(network, s.vars["$HTTP"])
			if err != nil {
				return nil, err
			}
			return &tappedConn{conn, &raw}, nil
		}}
		conn, _, err := dialer.Dial("ws://site.test/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if err := conn.WriteMessage(websocket.TextMessage, []byte("echo")); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.ReadMessage(); err != nil || string(got) != "echo" {
			t.Errorf("hidden: %t: echo is %q, %v", hides, got, err)
		}
		conn.Close()
		if found := tokens(raw.String()); hides && len(found) > 0 || !hides && len(found) < 60 {
			t.Errorf("hidden: %t: %d tokens: %q", hides, len(found), found)
		}
	}
}

type tappedConn struct {
	net.Conn
	raw *bytes.Buffer
}

func (c *tappedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.raw.Write(p[:n])
	return n, err
}

// leakyGRPC answers in gRPC's shape, over h2c, by path: the status in a trailer.
func leakyGRPC(w http.ResponseWriter, r *http.Request) {
	code := strings.TrimPrefix(r.URL.Path, "/")
	h := w.Header()
	leaky(h, "final")
	h.Set("Content-Type", "application/grpc")
	h.Set("Trailer", "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin, X-Trace-Id")
	_, _ = w.Write([]byte("\x00\x00\x00\x00\x00"))
	flush(w)
	h.Set("Grpc-Status", code)
	h.Set("X-Trace-Id", "leak-trailer")
	switch code {
	case "13":
		h.Set("Grpc-Message", "java.lang.NullPointerException at leak-exception")
		h.Set("Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString([]byte("leak-details")))
	case "14":
		h.Set("Grpc-Message", "connection to 10.1.2.3:8080 refused")
		h.Set("Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString([]byte("google.rpc.DebugInfo leak-details")))
	default:
		h.Set("Grpc-Message", "no such user")
	}
}

// http2Answer is all that one request over HTTP/2 gets, decoded: fields of every
// header, and data.
func (s *site) http2Answer(method, path string, fields ...string) string {
	s.t.Helper()
	conn, err := tls.Dial("tcp", s.vars["$HTTPS"], &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{"h2"}, ServerName: "site.test", //nolint:gosec // the test's own certificate
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	all := append([]string{":method", method, ":scheme", "https", ":authority", "site.test", ":path", path}, fields...)
	for i := 0; i < len(all); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: all[i], Value: all[i+1]})
	}
	_, _ = io.WriteString(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, bufio.NewReader(conn))
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	var answer strings.Builder
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			s.t.Fatalf("%s: %v after %q", path, err, answer.String())
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			for _, f := range frame.Fields {
				fmt.Fprintf(&answer, "%s: %s\r\n", f.Name, f.Value)
			}
		case *http2.DataFrame:
			answer.Write(frame.Data())
			if n := uint32(len(frame.Data())); n > 0 {
				_ = framer.WriteWindowUpdate(0, n)
				_ = framer.WriteWindowUpdate(1, n)
			}
		case *http2.RSTStreamFrame:
			s.t.Fatalf("%s: reset after %q", path, answer.String())
		}
		if frame.Header().StreamID == 1 && frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return answer.String()
		}
	}
}

// Over HTTP/2 to the client, and h2c to the origin: what HTTP/1.1 shows, and gRPC.
func TestLeaksHTTP2(t *testing.T) {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") == "application/grpc" {
			leakyGRPC(w, r)
			return
		}
		leakyOrigin(w, r)
	}))
	server.Config.Protocols = &protocols
	server.Start()
	defer server.Close()
	s := startSite(t, server.Listener.Addr().String(), siteConfig{https: hidden + "reverse_proxy h2c://$ORIGIN"})
	grpc := []string{"content-type", "application/grpc", "te", "trailers"}
	tests := []struct {
		path   string
		fields []string
		want   []string
		least  int
	}{
		{"/whole", nil, []string{":status: 200", leakyBody, "link: <https://site.test/a.css>"}, 80},
		{"/hints", nil, []string{":status: 103", "link: <https://site.test/1>", ":status: 200", leakyBody}, 150},
		{"/redirect", nil, []string{"location: https://site.test/whole?from=https%3A%2F%2Fsite.test%2F"}, 80},
		{"/503", nil, []string{":status: 503", "retry-after: 7"}, 80},
		{"/undeclared", nil, []string{leakyBody, "x-checksum: 0123"}, 80},
		{"/5", grpc, []string{"grpc-status: 5", "grpc-message: no such user"}, 80},
		{"/13", grpc, []string{"grpc-status: 13"}, 80},
		{"/14", grpc, []string{"grpc-status: 14", "grpc-message: connection to site.test refused"}, 80},
	}
	for _, tt := range tests {
		raw := s.http2Answer("GET", tt.path, tt.fields...)
		if found := tokens(raw); len(found) > 0 || strings.Contains(raw, "10.1.2.3") || strings.Contains(raw, "details-bin: ") {
			t.Errorf("%s: %q in\n%s", tt.path, found, raw[:min(len(raw), 4000)])
		}
		for _, want := range tt.want {
			if !strings.Contains(raw, want) {
				t.Errorf("%s: no %q in\n%s", tt.path, want, raw[:min(len(raw), 4000)])
			}
		}
	}
	s.load(siteConfig{https: "reverse_proxy h2c://$ORIGIN"})
	for _, tt := range tests {
		if found := tokens(s.http2Answer("GET", tt.path, tt.fields...)); len(found) < tt.least {
			t.Errorf("%s without hide_origin: %d tokens, want %d at least", tt.path, len(found), tt.least)
		}
	}
}
