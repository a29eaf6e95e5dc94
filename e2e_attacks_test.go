package portico_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Attacks that need bytes no client library sends (docs/security.md). The others
// are scenarios, 15xx.

// Every shape of request smuggling: whatever the answer, what follows it on the
// connection is not taken for what it is not, and other clients' objects stay.
func TestSmuggling(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Cache-Control", "max-age=600")
		fmt.Fprintf(w, "%s %s with %d", r.Method, r.URL.Path, len(body))
	})
	s := startSite(t, origin.addr, siteConfig{})
	const smuggled = "GET /evil HTTP/1.1\r\nHost: site.test\r\nX: "
	for i, shape := range []string{
		"Content-Length: %[2]d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%[1]s",          // CL.TE
		"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n%[2]x\r\n%[1]s\r\n0\r\n\r\n", // TE.CL
		"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n%[1]s",                                  // TE.TE
		"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n%[1]s",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n%[1]s",
		"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n%[1]s",
		"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%[1]s",
		" Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n%[1]s",
		"Content-Length: 0\r\nContent-Length: %[2]d\r\n\r\n%[1]s",
		"Content-Length: +0\r\n\r\n%[1]s",
		"Content-Length: 0, %[2]d\r\n\r\n%[1]s",
		"Content-Length: 0x0\r\n\r\n%[1]s",
		"Connection: Content-Length\r\nContent-Length: %[2]d\r\n\r\n%[1]s", // the origin would see it without
		"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n%[2]x\r\n%[1]s\r\n0\r\n\r\n",
		"Expect: 100-continue\r\nContent-Length: %[2]d\r\n\r\n%[1]s",
		"Expect: 100-continue, x\r\nContent-Length: %[2]d\r\n\r\n%[1]s", // 0.CL
		"Expect:\r\n 100-continue\r\nContent-Length: %[2]d\r\n\r\n%[1]s",
		"Content-Length:\r\n %[2]d\r\n\r\n%[1]s",
		"Content-Length : %[2]d\r\n\r\n%[1]s",
		"Content_Length: %[2]d\r\nContent-Length: 0\r\n\r\n%[1]s",
		"Transfer.Encoding: chunked\r\nContent-Length: %[2]d\r\n\r\n%[1]s",
		"Transfer-Encoding: chunked\r\n\r\n%[2]x;a=b\r\n%[1]s\r\n0\r\n\r\n", // chunk extensions
		"Transfer-Encoding: chunked\r\n\r\n%[2]x;\n%[1]s\r\n0\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\n%[2]x\n%[1]s\r\n0\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\n%[2]x;a=\"\r\n0\r\n\r\n\"\r\n%[1]s\r\n0\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\n0%[2]x \r\n%[1]s\r\n0\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n%[1]s\r\n\r\n", // in the trailer
		"Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\nContent-Length: %[2]d\r\n\r\n%[1]s",
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\nContent-Length: %[2]d\r\n\r\n%[1]s",
		"Max-Forwards: 0\r\nContent-Length: %[2]d\r\n\r\n%[1]s",
	} {
		path := fmt.Sprintf("/victim-%d", i)
		for _, method := range []string{"GET", "POST", "OPTIONS", "HEAD"} { // TE.0 and CL.0
			answers := s.pipeline(method + " /attack HTTP/1.1\r\nHost: site.test\r\n" + fmt.Sprintf(shape, smuggled, len(smuggled)) +
				"GET " + path + " HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n")
			if got, want := string(s.get(path).body), "GET "+path+" with 0"; got != want {
				t.Errorf("%s %q: the victim gets %q, want %q (answers %q)", method, shape, got, want, answers)
			}
		}
	}
	for _, path := range []string{"/evil", "/attack"} {
		if got, want := string(s.get(path).body), "GET "+path+" with 0"; got != want {
			t.Errorf("in the end %s is %q, want %q", path, got, want)
		}
	}
}

// pipeline sends text on a connection of its own and returns all answers.
func (s *site) pipeline(text string) (answers []string) {
	conn, err := net.Dial("tcp", s.vars["$HTTP"])
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, text); err != nil {
		return nil
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	for r := bufio.NewReader(conn); ; {
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			return answers
		}
		body, _ := io.ReadAll(response.Body)
		answers = append(answers, fmt.Sprintf("%d %s", response.StatusCode, body))
	}
}

// Targets that are no path: none shares an entry with another.
func TestOddTargets(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		fmt.Fprintf(w, "%s|%s", r.Host, r.RequestURI)
	})
	s := startSite(t, origin.addr, siteConfig{})
	seen := map[string]string{} // answers by target
	for _, target := range []string{
		"/a", "/a?", "//a", "/%61", "/a%2f", "/a/", "/A", "/a;x", "/a#x", "/a%23x", "/a\\", "/a%5c", "/a%00", "/./a", "/x/../a", "/a%3f",
		"http://site.test", "http://site.test/", "http://site.test/a", "http://user@site.test/a", "http://evil.test/a",
		"http://site.test?x", "x:one", "x:two", "*",
	} {
		first := s.speak("GET " + target + " HTTP/1.1\r\nHost: site.test\r\n\r\n")
		again := s.speak("GET " + target + " HTTP/1.1\r\nHost: site.test\r\n\r\n")
		if first != again {
			t.Errorf("%s: first %q, then %q", target, first, again)
		}
		if strings.HasPrefix(first, "200 ") {
			seen[target] = first
		}
	}
	s.load(siteConfig{http: "reverse_proxy $ORIGIN"})
	for target, got := range seen { // nothing was shared
		if want := s.speak("GET " + target + " HTTP/1.1\r\nHost: site.test\r\n\r\n"); got != want {
			t.Errorf("%s: with a cache %q, without %q", target, got, want)
		}
	}
	if len(seen) < 15 {
		t.Errorf("only %d targets were answered", len(seen))
	}
}

// HTTP/2 pseudo-header fields ("HTTP/2: The Sequel is Always Worse", J. Kettle,
// 2021): what is no scheme, authority or path is not stored, and makes no key that
// another request has.
func TestPseudoHeaders(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		fmt.Fprintf(w, "%s %s of %s", r.Method, r.RequestURI, r.Host)
	})
	s := startSite(t, origin.addr, siteConfig{https: "response_cache {\nkey {\nscheme off\n}\n}\nreverse_proxy $ORIGIN"})
	const good = "site.test"
	for _, test := range []struct {
		name                            string
		method, scheme, authority, path string
		fields                          []string
		want                            string // "" for no answer: the stream is reset
	}{
		{"9113-8.3.1 as it should be", "GET", "https", good, "/ok", nil, "200 GET /ok of site.test"},
		{"9113-8.3.1 scheme with a URI", "GET", "https://evil.test/?", good, "/a", nil, ""},
		{"9113-8.3.1 path with white space", "GET", "https", good, "/a hX-Tenant=1:b", nil, "400"},
		{"9113-8.3.1 query with white space", "GET", "https", good, "/a?x HTTP/1.1", nil, "400"},
		{"9113-8.3.1 path without slash", "GET", "https", good, "a", nil, "*"},
		{"9113-8.3.1 path with a line break", "GET", "https", good, "/a\r\nX: y", nil, "*"},
		{"9113-8.3.1 authority with a path", "GET", "https", good + "/a", "/b", nil, "*"},
		{"9113-8.3.1 authority with white space", "GET", "https", good + " evil", "/b", nil, "*"},
		{"9113-8.3.1 authority with user information", "GET", "https", "evil@" + good, "/a", nil, "*"},
		{"9113-8.3.1 method with white space", "GET /evil HTTP/1.1", "https", good, "/a", nil, "*"},
		{"9113-8.3.1 host beside another authority", "GET", "https", good, "/host", []string{"host", "evil.test"}, ""},
		{"9113-8.2.1 line break in a field", "GET", "https", good, "/a", []string{"x", "y\r\nx-forwarded-host: evil"}, ""},
		{"9113-8.2.1 colon in a name", "GET", "https", good, "/a", []string{"x:y", "z"}, ""},
		{"9113-8.2.2 transfer-encoding", "GET", "https", good, "/a", []string{"transfer-encoding", "chunked"}, "*"},
		{"9113-8.2.2 connection", "GET", "https", good, "/a", []string{"connection", "accept-language"}, "*"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := s.frameHTTP2(test.method, test.scheme, test.authority, test.path, test.fields...)
			switch {
			case test.want == "*" && !strings.HasPrefix(got, "200"):
			case test.want != "*" && test.want != "" && strings.HasPrefix(got, test.want):
			case test.want == "" && got == "":
			default:
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	for _, path := range []string{"/a", "/b", "/host", "/evil"} {
		if got, want := string(s.get(path, "Host", good).body), "GET "+path; !strings.HasPrefix(got, want) || strings.Contains(got, "evil.test") {
			t.Errorf("in the end %s is %q", path, got)
		}
	}
}

// frameHTTP2 sends one HEADERS frame as it is told, and returns the status and
// body of the answer; "" if the stream or the connection was reset.
func (s *site) frameHTTP2(method, scheme, authority, path string, fields ...string) string {
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
	all := append([]string{":method", method, ":scheme", scheme, ":authority", authority, ":path", path}, fields...)
	for i := 0; i < len(all); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: all[i], Value: all[i+1]})
	}
	_, _ = io.WriteString(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	answer := ""
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return ""
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			answer += frame.PseudoValue("status") + " "
		case *http2.DataFrame:
			answer += string(frame.Data())
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return ""
		}
		if frame.Header().StreamID == 1 && frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return answer
		}
	}
}
