package portico_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// serveLeavingContent is an origin that leaves the content of a request on the
// connection, and takes it for a next request (CL.0, J. Kettle, 2022). That one it
// answers only when yet another has come, which gets the answer in the place of its
// own if it is somebody else's.
func serveLeavingContent(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		for field := line; strings.TrimSpace(field) != ""; {
			if field, err = reader.ReadString('\n'); err != nil {
				return
			}
		}
		if strings.Contains(line, "/smuggled ") {
			if _, err := reader.Peek(1); err != nil {
				return
			}
		}
		_, target, _ := strings.Cut(line, " ")
		target, _, _ = strings.Cut(target, " ")
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: %d\r\n\r\n%s", len(target), target)
	}
}

// No proxy that reuses connections can tell what such an origin does. With one for
// each request, as docs/security.md says, nobody gets another's answer, and none is
// stored in the place of another. Without that the test shows the attack.
func TestContentLeftOnTheConnection(t *testing.T) {
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: site.test\r\n\r\n"
	s := startSite(t, acceptAll(t, serveLeavingContent), siteConfig{
		http: "response_cache\nreverse_proxy $ORIGIN {\ntransport http {\nkeepalive off\n}\n}",
	})
	for i, method := range []string{http.MethodPost, http.MethodGet, http.MethodPut, http.MethodOptions, http.MethodHead, "QUERY"} {
		for _, header := range []string{
			fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(smuggled), smuggled),
			fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled),
		} {
			s.pipeline(method + " /attack HTTP/1.1\r\nHost: site.test\r\n" + header)
			victim := fmt.Sprintf("/victim-%d-%d", i, len(header))
			for range 2 {
				if got := string(s.get(victim).body); got != victim {
					t.Errorf("after %s the victim gets %q, want %q", method, got, victim)
				}
			}
		}
	}
}
