package portico_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestChurn mixes everything at once in a store that is too small: bodies with
// and without a length, some larger than allowed, some that break off, some personal,
// ranges, clients that leave, invalidations. Whatever a client gets as complete is
// exactly what it asked for, and nobody else's.
func TestChurn(t *testing.T) {
	origin := startOrigin(t, churnOrigin)
	s := startSite(t, origin.addr, siteConfig{
		global: "response_cache {\nstore {\nmemory 1MiB\n}\n}",
		http:   "response_cache {\nmax_object_size 200KiB\n}\nreverse_proxy $ORIGIN",
	})
	var left, hits atomic.Int64
	left.Store(int64(scale(6000, 2000)))
	var clients sync.WaitGroup
	for id := range 12 {
		clients.Go(func() {
			dice := rand.New(rand.NewPCG(1, uint64(id)))
			for left.Add(-1) >= 0 && !t.Failed() {
				if churnOnce(t, s, dice, fmt.Sprint(id)) {
					hits.Add(1)
				}
			}
		})
	}
	clients.Wait()
	if hits.Load() == 0 {
		t.Error("nothing was a hit")
	}
}

// churnPath is one of 60 resources: its size and nature are in its name.
func churnPath(dice *rand.Rand) (path string, n int) {
	natures := []string{"length", "chunked", "slow", "abort", "personal", "short-lived"}
	n = []int{0, 1, 500, 5_000, 50_000, 150_000, 199_000, 204_801, 300_000, 20_000}[dice.IntN(10)]
	return fmt.Sprintf("/%s/%d", natures[dice.IntN(len(natures))], n), n
}

func churnBody(path, client string, n int) []byte {
	seed := path
	if strings.HasPrefix(path, "/personal") {
		seed += " of " + client
	}
	return bytes.Repeat([]byte(seed+"\n"), n/(len(seed)+1)+1)[:n]
}

func churnOrigin(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		return
	}
	nature, size, _ := strings.Cut(r.URL.Path[1:], "/")
	n, _ := strconv.Atoi(size)
	body := churnBody(r.URL.Path, r.Header.Get("X-Client"), n)
	h := w.Header()
	h.Set("Cache-Control", "max-age=600")
	h.Set("Etag", `"`+r.URL.Path+`"`)
	switch nature {
	case "length":
		h.Set("Content-Length", size)
	case "personal":
		h.Set("Cache-Control", "private, max-age=600")
		h.Del("Etag")
	case "short-lived":
		h.Set("Age", "599")
		if r.Header.Get("If-None-Match") == h.Get("Etag") {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	case "abort":
		_, _ = w.Write(body[:n/2])
		flush(w)
		panic(http.ErrAbortHandler)
	}
	for len(body) > 0 {
		piece := body[:min(len(body), 8_000)]
		if _, err := w.Write(piece); err != nil {
			return
		}
		body = body[len(piece):]
		if nature == "slow" {
			flush(w)
		}
	}
}

// churnOnce asks for something and checks what comes; hit tells from where.
func churnOnce(t *testing.T, s *site, dice *rand.Rand, client string) (hit bool) {
	path, n := churnPath(dice)
	r := s.request(path, "X-Client", client)
	from := 0
	switch dice.IntN(12) {
	case 0:
		r.Method = http.MethodPost
	case 1, 2:
		from = dice.IntN(n + 1)
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	response, err := s.client.Do(r)
	if err != nil {
		if !strings.HasPrefix(path, "/abort") {
			t.Errorf("%s: %v", path, err)
		}
		return false
	}
	defer response.Body.Close()
	hit = strings.Contains(response.Header.Get("Cache-Status"), "; hit")
	if dice.IntN(12) == 0 {
		_, _ = io.CopyN(io.Discard, response.Body, 1000)
		return hit // and leaves
	}
	body, err := io.ReadAll(response.Body)
	if r.Method == http.MethodPost || response.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return hit
	}
	want := churnBody(path, client, n)
	if response.StatusCode == http.StatusPartialContent {
		want = want[from:]
	}
	switch {
	case strings.HasPrefix(path, "/abort"):
		if err == nil {
			t.Errorf("%s: a complete-looking answer of %d bytes", path, len(body))
		}
	case err != nil:
		t.Errorf("%s: %v after %d of %d bytes (%s)", path, err, len(body), len(want), response.Header["Cache-Status"])
	case !bytes.Equal(body, want):
		t.Errorf("%s from %d: %d bytes %q, want %d (%s)", path, from, len(body), shorten(string(body)), len(want), response.Header["Cache-Status"])
	}
	return hit
}
