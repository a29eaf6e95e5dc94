package portico_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// scale is how much traffic a test of memory makes: with -short or the race
// detector less, under the same limits.
func scale(full, short int) int {
	if testing.Short() || raceDetector {
		return short
	}
	return full
}

// heapPeak watches the memory while f runs and returns by how much the heap grew at
// most, and the process.
func heapPeak(f func(sample func())) (growth, process uint64) {
	var m runtime.MemStats
	debug.FreeOSMemory() // what earlier tests took is not to count
	runtime.ReadMemStats(&m)
	base, before := m.HeapInuse, m.Sys-m.HeapReleased
	var mu sync.Mutex
	f(func() {
		mu.Lock()
		defer mu.Unlock()
		runtime.ReadMemStats(&m)
		growth = max(growth, m.HeapInuse-min(base, m.HeapInuse))
		process = max(process, m.Sys-m.HeapReleased-min(before, m.Sys-m.HeapReleased))
	})
	return growth, process
}

// a body that is too large to be stored streams,
// whether or not its size is announced, and for two clients as for one.
func TestLargeBodyStreams(t *testing.T) {
	size := int64(scale(1<<30, 64<<20))
	const limit = 64 << 20
	block := pattern(0, 256<<10)
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		if r.URL.Path == "/announced" {
			w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		}
		for sent := int64(0); sent < size; {
			n, err := w.Write(block[:min(int64(len(block)), size-sent)])
			if err != nil {
				return
			}
			sent += int64(n)
		}
	})
	for _, path := range []string{"/announced", "/chunked"} {
		t.Run(path[1:], func(t *testing.T) {
			s := startSite(t, origin.addr, siteConfig{
				http: "response_cache {\nmax_object_size 8MiB\n}\nreverse_proxy $ORIGIN",
			})
			growth, _ := heapPeak(func(sample func()) {
				var readers sync.WaitGroup
				for range 2 {
					readers.Go(func() { drain(t, s, path, size, sample) })
				}
				readers.Wait()
			})
			t.Logf("heap growth %d KiB for two bodies of %d MiB", growth>>10, size>>20)
			if growth > limit {
				t.Errorf("the heap grew by %d MiB, want at most %d", growth>>20, limit>>20)
			}
		})
	}
}

// drain reads a body of size bytes and samples the memory as it goes.
func drain(t *testing.T, s *site, path string, size int64, sample func()) {
	response, err := s.client.Do(s.request(path))
	if err != nil {
		t.Error(err)
		return
	}
	defer response.Body.Close()
	var got int64
	for {
		n, err := io.CopyN(io.Discard, response.Body, 16<<20)
		got += n
		sample()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Errorf("after %d bytes: %v", got, err)
			return
		}
	}
	if got != size {
		t.Errorf("%d bytes, want %d", got, size)
	}
}

// a store of 64 MiB through which 600 MB of distinct objects pass keeps the process
// below 250 MB: it has 22 of them before. In the process of the tests that is more, as
// earlier ones have left something.
func TestStoreIsBounded(t *testing.T) {
	const objectSize = 100_000
	objects := scale(6000, 1000)
	body := pattern(0, objectSize)
	origin := startOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		_, _ = w.Write(body)
	})
	s := startSite(t, origin.addr, siteConfig{global: "response_cache {\nstore {\nmemory 64MiB\n}\n}"})
	_, growth := heapPeak(func(sample func()) {
		getAll(t, s, objects, sample, func(i int) string { return fmt.Sprintf("/object/%d", i) })
	})
	t.Logf("the process grew by %d MiB at most", growth>>20)
	if growth > 228_000_000 {
		t.Errorf("the process grew by %d MB, want at most 228", growth/1_000_000)
	}
	// What is bounded is still a cache: of the last objects some are there.
	var hits int
	for i := range 100 {
		if isHit(s.get(fmt.Sprintf("/object/%d", objects-1-i))) {
			hits++
		}
	}
	if hits == 0 {
		t.Error("none of the last 100 objects is a hit")
	}
}

// Keys and heads take memory, too: a flood of long ones stays in the budget.
func TestKeysAndHeadsAreBounded(t *testing.T) {
	requests := scale(4000, 2000)
	long := strings.Repeat("k", 6000)
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		switch r.URL.Path {
		case "/vary":
			w.Header().Set("Vary", "X-Kind")
		case "/heads":
			w.Header().Set("X-Long", long)
		}
		fmt.Fprint(w, "x")
	})
	for name, path := range map[string]func(i int) string{
		"keys":     func(i int) string { return fmt.Sprintf("/keys?%s%d", long, i) },
		"heads":    func(i int) string { return fmt.Sprintf("/heads?%d", i) },
		"variants": func(i int) string { return fmt.Sprintf("/vary#%s%d", long, i) },
		"pass":     func(i int) string { return fmt.Sprintf("/pass?%s%d", long, i) },
	} {
		t.Run(name, func(t *testing.T) {
			s := startSite(t, origin.addr, siteConfig{global: "response_cache {\nstore {\nmemory 2MiB\n}\n}"})
			s.get("/warm-up")
			growth, _ := heapPeak(func(sample func()) {
				getAll(t, s, requests, func() {}, path)
				runtime.GC()
				sample()
			})
			// 24 MB of keys or heads went by.
			if growth > 14<<20 {
				t.Errorf("%d KiB stay on the heap, want hardly more than the budget of 2 MiB", growth>>10)
			}
		})
	}
}

// getAll requests n paths with some concurrency. What follows a # goes into
// the field X-Kind.
func getAll(t *testing.T, s *site, n int, sample func(), path func(i int) string) {
	t.Helper()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && !t.Failed(); i = int(next.Add(1)) - 1 {
				target, kind, _ := strings.Cut(path(i), "#")
				response, err := s.client.Do(s.request(target, "X-Kind", kind))
				if err != nil {
					t.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != http.StatusOK {
					t.Errorf("GET %s: %d, %v", shorten(target), response.StatusCode, err)
				}
				if i%200 == 0 {
					sample()
				}
			}
		})
	}
	workers.Wait()
}
