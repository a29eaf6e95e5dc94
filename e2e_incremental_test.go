package portico_test

import (
	"io"
	"net/http"
	"testing"
	"time"
)

// RFC 10036 §3: the content of a QUERY that is Incremental reaches the origin while
// the client still has more to send.
func TestIncrementalQuery(t *testing.T) {
	first := make(chan string, 1)
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		begun := make([]byte, 3)
		_, _ = io.ReadFull(r.Body, begun)
		first <- string(begun)
		_, _ = io.Copy(w, r.Body)
	})
	s := startSite(t, origin.addr, siteConfig{})
	content, client := io.Pipe()
	r := s.request("/q", "Incremental", "?1")
	r.Method, r.Body = "QUERY", content
	e := send(s.client, r)
	_, _ = io.WriteString(client, "one")
	select {
	case got := <-first:
		if got != "one" {
			t.Errorf("the origin got %q", got)
		}
	case <-time.After(patience):
		t.Fatal("the origin got nothing before the end")
	}
	_, _ = io.WriteString(client, "two")
	_ = client.Close()
	s.wait(e, "the answer", func() bool { return e.done })
	if e.err != nil || string(e.body) != "two" {
		t.Errorf("got %q, %v", e.body, e.err)
	}
}
