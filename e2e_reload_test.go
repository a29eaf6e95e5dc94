package portico_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// reloads in the middle of traffic break no request
// and lose no stored object.
func TestReloadInTraffic(t *testing.T) {
	more := make(chan struct{})
	body := pattern(0, 100_000)
	var stored, slow atomic.Int64
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		switch r.URL.Path {
		case "/stored":
			stored.Add(1)
		case "/slow":
			slow.Add(1)
			_, _ = w.Write(body[:1000])
			flush(w)
			<-more
			_, _ = w.Write(body[1000:])
			return
		default:
			w.Header().Set("Cache-Control", "no-store")
		}
		_, _ = w.Write(body)
	})
	s := startSite(t, origin.addr, siteConfig{})
	s.get("/stored")
	begun := s.sendTo("/slow")
	s.wait(begun, "the first chunk", func() bool { return len(begun.body) == 1000 })

	traffic := s.startTraffic("/stored", "/personal", "/stored")
	for i := range 5 {
		traffic.more(20)
		s.load(siteConfig{
			global: "response_cache {\nstore {\nmemory " + fmt.Sprint(256+i) + "MiB\n}\n}",
			http:   fmt.Sprintf("header X-Reload %d\n%s", i, defaultSite),
		})
	}
	// A request of the new configuration joins the fetch of the old one.
	joined := s.sendTo("/slow")
	s.wait(joined, "the first chunk", func() bool { return len(joined.body) == 1000 })
	close(more)
	for _, e := range []*exchange{begun, joined} {
		s.wait(e, "the end", func() bool { return e.done })
		if e.err != nil || !bytes.Equal(e.body, body) {
			t.Errorf("a body over the reload: %v, %d bytes", e.err, len(e.body))
		}
	}
	traffic.more(20)
	traffic.stop()
	s.hitWith("/stored", body)
	s.hitWith("/slow", body)
	if a, b := stored.Load(), slow.Load(); a != 1 || b != 1 {
		t.Errorf("the origin was asked %d and %d times for stored objects, want once each", a, b)
	}
}

// traffic is clients that go on asking.
type traffic struct {
	s       *site
	done    chan struct{}
	clients sync.WaitGroup

	board
	answered int
}

// startTraffic requests the paths in turn, with several clients, until stop. One
// that is not answered fails the test.
func (s *site) startTraffic(paths ...string) *traffic {
	f := &traffic{s: s, done: make(chan struct{})}
	for range 4 {
		f.clients.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-f.done:
					return
				default:
				}
				if err := s.once(paths[i%len(paths)]); err != nil {
					s.t.Error(err)
				}
				f.update(func() { f.answered++ })
			}
		})
	}
	return f
}

// more waits until n more requests were answered.
func (f *traffic) more(n int) {
	f.s.t.Helper()
	f.mu.Lock()
	n += f.answered
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(f.s.t.Context(), patience)
	defer cancel()
	if !f.until(ctx, func() bool { return f.answered >= n }) {
		f.s.t.Fatal("the traffic has stopped")
	}
}

func (f *traffic) stop() {
	close(f.done)
	f.clients.Wait()
}

// once asks until there is the head of an answer: Caddy's reload closes the old
// listener with the connections the kernel has queued on it, and those are reset
// whatever the handlers are. A request that got a head may not fail any more.
func (s *site) once(path string) error {
	response, err := s.client.Do(s.request(path))
	for range 100 {
		if err == nil {
			break
		}
		response, err = s.client.Do(s.request(path))
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || n != 100_000) {
		err = fmt.Errorf("status %d, %d bytes", response.StatusCode, n)
	}
	return err
}

// A configuration that cannot be loaded leaves the running one, its store and
// its objects alone.
func TestFailedReload(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		fmt.Fprint(w, "hello")
	})
	s := startSite(t, origin.addr, siteConfig{})
	s.get("/a")
	inUse, err := net.Listen("tcp", s.vars["$HTTPS"])
	if err != nil {
		t.Fatal(err)
	}
	defer inUse.Close()
	small := "response_cache {\nstore {\nmemory 1KiB\n}\n}"
	for _, c := range []struct {
		name string
		siteConfig
	}{
		{"provisioning fails", siteConfig{global: small, http: defaultSite + "\nlog {\noutput file $DIR/caddy.log/none\n}"}},
		{"starting fails", siteConfig{global: small, https: "respond ok"}},
	} {
		for range 8 { // Caddy starts the apps in no order
			if err := s.tryLoad(c.siteConfig); err == nil {
				t.Fatalf("%s: loading the configuration worked", c.name)
			}
			s.hitWith("/a", []byte("hello"))
		}
	}
	if n := origin.requests.Load(); n != 1 {
		t.Errorf("the origin saw %d requests, want 1", n)
	}
}

// A store that is configured no more is gone, with what it held.
func TestRemovedStore(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		fmt.Fprint(w, "hello")
	})
	with := siteConfig{
		global: "response_cache {\nstore other {\nmemory 1MiB\n}\n}",
		http:   "response_cache {\nstore other\n}\nreverse_proxy $ORIGIN",
	}
	s := startSite(t, origin.addr, with)
	s.get("/a")
	s.hitWith("/a", []byte("hello"))
	s.load(siteConfig{})
	s.load(with)
	if e := s.get("/a"); isHit(e) {
		t.Error("a store that was removed still has its objects")
	}
}
