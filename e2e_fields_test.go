package portico_test

import (
	"strings"
	"testing"
	"time"
)

// RFC 9110 §6.6.1: an answer without Date gets that of its receipt. It does not
// move with every hit, or Age would be counted twice by the next cache.
func TestDateOfAnUndatedAnswer(t *testing.T) {
	origin := startWireOrigin(t, map[string][]string{
		"/a": {head("Cache-Control: max-age=60", "Content-Length: 5", "\r\nhello")},
	})
	s := startSite(t, origin.addr, siteConfig{})
	s.get("/a")
	first := s.get("/a")
	received, err := time.Parse(time.RFC1123, first.header.Get("Date"))
	if err != nil || !isHit(first) {
		t.Fatalf("the first hit: %v (%v)", first.header, err)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); pause(t.Context(), 10*time.Millisecond) {
		later := s.get("/a")
		if later.header.Get("Age") == "0" {
			continue
		}
		date, err := time.Parse(time.RFC1123, later.header.Get("Date"))
		if err != nil || date.Sub(received).Abs() > 0 {
			t.Errorf("Date was %v, with Age %s it is %v (%v)", received, later.header.Get("Age"), date, err)
		}
		return
	}
	t.Fatal("Age stays 0")
}

// RFC 9211 §2.7, RFC 9651 §3.3.3: the key in Cache-Status is a String, whatever
// bytes a client puts into its request.
func TestKeyInCacheStatusIsAString(t *testing.T) {
	origin := startWireOrigin(t, map[string][]string{
		"/a": {head("Cache-Control: max-age=60", "Content-Length: 5", "\r\nhello")},
	})
	s := startSite(t, origin.addr, siteConfig{http: "response_cache {\nstatus_header full\nkey {\nheader X-Key\n}\n}\nreverse_proxy $ORIGIN"})
	for _, query := range []string{"\xc3\xa9", "%00", `"`, `\`, "a,b;c=d", `", Portico; hit`} {
		request := "GET /a?" + strings.ReplaceAll(query, " ", "%20") + " HTTP/1.1\r\nHost: site.test\r\nX-Key: \xff" + query + "\r\nConnection: close\r\n\r\n"
		for range 2 {
			status := s.cacheStatusOf(request)
			if err := (facts{"s": status}).check(`s ~ ^Portico; [a-z0-9;= -]+; key="([ !#-\[\]-~]|\\["\\])*"$`); err != nil {
				t.Errorf("query %q: %v", query, err)
			}
		}
	}
}

// cacheStatusOf sends raw bytes and returns the value of Cache-Status.
func (s *site) cacheStatusOf(request string) string {
	s.t.Helper()
	conn := s.dial(request)
	defer conn.Close()
	var answer strings.Builder
	for buf := make([]byte, 4096); !strings.Contains(answer.String(), "\r\n\r\n"); {
		n, err := conn.Read(buf)
		answer.Write(buf[:n])
		if err != nil {
			break
		}
	}
	_, rest, _ := strings.Cut(answer.String(), "\r\nCache-Status: ")
	status, _, _ := strings.Cut(rest, "\r\n")
	return status
}

// HTTP/2 clients get what HTTP/1.1 clients do, from the same store.
func TestHTTP2SharesTheStore(t *testing.T) {
	body := pattern(0, 100_000)
	origin := startWireOrigin(t, map[string][]string{
		"/a": {head("Cache-Control: max-age=60", "Content-Length: 100000", "\r\n"+string(body))},
	})
	s := startSite(t, origin.addr, siteConfig{global: "servers {\nprotocols h1 h2 h2c\n}"})
	s.get("/a")
	s.hitWith("/a", body)
	s.speakHTTP2()
	s.hitWith("/a", body)
	part := s.get("/a", "Range", "bytes=50000-50009")
	if part.status != 206 || string(part.body) != string(body[50_000:50_010]) {
		t.Errorf("a range over HTTP/2: %d %q", part.status, part.body)
	}
}
