package list_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-portico/portico/filter/list"
)

// A feed is a server of one list; answer may be replaced between requests.
type feed struct {
	*httptest.Server
	mu     sync.Mutex
	answer http.HandlerFunc
	asked  []http.Header
}

func newFeed(t *testing.T, answer http.HandlerFunc) *feed {
	f := &feed{answer: answer}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.asked = append(f.asked, r.Header)
		answer := f.answer
		f.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *feed) set(answer http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *feed) last() http.Header {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[len(f.asked)-1]
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }
}

func TestURL(t *testing.T) {
	f := newFeed(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Last-Modified", "Thu, 26 Nov 2026 00:00:00 GMT")
		if r.Header.Get("If-None-Match") == `"one"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, "192.0.2.0/24 ; SBL1\n")
	})
	dir := filepath.Join(t.TempDir(), "lists")
	cfg := list.Config{Name: "drop/v4", URL: f.URL + "/drop.txt", Dir: dir}
	l := open(t, cfg)
	if has(l, "192.0.2.1") || l.State().Ranges != 0 || !l.State().Since.IsZero() {
		t.Fatalf("before the first fetch: %+v", l.State())
	}
	for _, conditional := range []bool{false, true} {
		if err := l.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := f.last().Get("If-None-Match") != "" && f.last().Get("If-Modified-Since") != ""; got != conditional {
			t.Errorf("conditional = %t, want %t", got, conditional)
		}
		if s := l.State(); !has(l, "192.0.2.1") || s.Ranges != 1 || s.SaveError != "" {
			t.Fatalf("%+v", s)
		}
	}

	// A start without network has the last good copy, and its validators.
	f.set(func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })
	again := open(t, cfg)
	if s := again.State(); !has(again, "192.0.2.1") || s.Checked.IsZero() {
		t.Fatalf("after a restart: %+v", s)
	}
	if err := again.Refresh(t.Context()); err == nil || !has(again, "192.0.2.1") {
		t.Fatalf("without network: %v, %+v", err, again.State())
	}
	if f.last().Get("If-None-Match") != `"one"` {
		t.Error("the restarted list asks without the ETag it knows")
	}

	// Another URL under the same name does not inherit it.
	cfg.URL = f.URL + "/other.txt"
	if other := open(t, cfg); has(other, "192.0.2.1") {
		t.Error("the copy of another URL is in force")
	}
}

// Whatever is wrong with an answer, the last good list stays in force and the
// error says what it was.
func TestURLFaults(t *testing.T) {
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "status 500"},
		{"404 with a body", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); io.WriteString(w, "192.0.2.9") }, "status 404"},
		{"412", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(412) }, "status 412"},
		{"a web page", text("<html>\n"), `line 1: "<html>"`},
		{"a bad line", text("192.0.2.9\n192.0.2\n"), "line 2"},
		{"empty", text(""), "holds no address range"},
		{"comments only", text("# down for maintenance\n"), "holds no address range"},
		{"too large", text(strings.Repeat("#", 5000)), "larger than 4096 bytes"},
		{"truncated", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "192.0.2.9\n")
		}, "unexpected EOF"},
		{"chunks cut off", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "192.0.2.9\n")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "EOF"},
		{"gzip cut off", func(w http.ResponseWriter, _ *http.Request) {
			var b strings.Builder
			z := gzip.NewWriter(&b)
			io.WriteString(z, "192.0.2.9\n")
			z.Close()
			io.WriteString(w, b.String()[:b.Len()-6])
		}, "unexpected EOF"},
		{"a gzip bomb", func(w http.ResponseWriter, _ *http.Request) {
			z := gzip.NewWriter(w)
			io.WriteString(z, strings.Repeat("\n", 1<<20))
			z.Close()
		}, "larger than 4096 bytes"},
		{"reset", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "deadline exceeded"},
		{"to another scheme", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "ftp://127.0.0.1/", http.StatusFound)
		}, "unsupported protocol"},
		{"redirected in a circle", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }, "more than 5 redirections"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFeed(t, text("203.0.113.1\n"))
			log, logs := logger()
			l := open(t, list.Config{
				Name: "l", URL: f.URL, Dir: t.TempDir(), MaxSize: 4096, Timeout: 500 * time.Millisecond, Log: log,
			})
			if err := l.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.set(tt.answer)
			err := l.Refresh(t.Context())
			s := l.State()
			if err == nil || !strings.Contains(err.Error(), tt.want) || s.Error != err.Error() || s.Failures != 1 {
				t.Errorf("error %v, want …%s…; state %+v", err, tt.want, s)
			}
			if !has(l, "203.0.113.1") || has(l, "192.0.2.9") || logs.FilterMessageSnippet("not updated").Len() != 1 {
				t.Errorf("the last good list is not in force, or not one log line: %v", logs.All())
			}
			f.set(text("203.0.113.2\n"))
			if err := l.Refresh(t.Context()); err != nil || !has(l, "203.0.113.2") || l.State().Error != "" {
				t.Errorf("after the fault: %v, %+v", err, l.State())
			}
		})
	}
}

func TestURLGzip(t *testing.T) {
	zipped := func(w http.ResponseWriter) {
		z := gzip.NewWriter(w)
		io.WriteString(z, "192.0.2.1\n")
		z.Close()
	}
	for name, answer := range map[string]http.HandlerFunc{
		"Content-Encoding": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			zipped(w)
		},
		"a .gz file": func(w http.ResponseWriter, _ *http.Request) { zipped(w) },
	} {
		f := newFeed(t, answer)
		l := open(t, list.Config{Name: "l", URL: f.URL})
		if err := l.Refresh(t.Context()); err != nil || !has(l, "192.0.2.1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A saved copy that is not what was saved is no list.
func TestSavedBroken(t *testing.T) {
	f := newFeed(t, text("192.0.2.1\n192.0.2.22\n"))
	for name, damage := range map[string]func([]byte) []byte{
		"cut off":       func(b []byte) []byte { return b[:len(b)-2] },
		"empty":         func([]byte) []byte { return nil },
		"another line":  func(b []byte) []byte { return []byte("192.0.2.1\n") },
		"one byte":      func(b []byte) []byte { b[len(b)-3] = '3'; return b },
		"no first line": func(b []byte) []byte { return b[:20] },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			log, logs := logger()
			cfg := list.Config{Name: "l", URL: f.URL, Dir: dir, Log: log}
			if err := open(t, cfg).Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "l.list")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			l := open(t, cfg)
			if has(l, "192.0.2.1") || logs.FilterMessageSnippet("unreadable").Len() != 1 {
				t.Errorf("a broken copy is in force, or not one log line: %v", logs.All())
			}
			if err := l.Refresh(t.Context()); err != nil || !has(l, "192.0.2.22") {
				t.Error("the fetch does not replace it:", err)
			}
		})
	}
}

// A failing file system: the n-th operation of a kind fails.
type failing struct {
	list.Disk
	mu   sync.Mutex
	fail string // the operation
}

var errDisk = errors.New("no space left on device")

func (f *failing) err(op string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == op {
		return errDisk
	}
	return nil
}

func (f *failing) set(op string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = op
}

func (f *failing) MkdirAll(dir string) error {
	return errors.Join(f.err("mkdir"), f.Disk.MkdirAll(dir))
}

func (f *failing) CreateTemp(dir, pattern string) (list.TempFile, error) {
	if err := f.err("create"); err != nil {
		return nil, err
	}
	file, err := f.Disk.CreateTemp(dir, pattern)
	return failingFile{file, f}, err
}

func (f *failing) Rename(from, to string) error {
	if err := f.err("rename"); err != nil {
		return err
	}
	return f.Disk.Rename(from, to)
}

func (f *failing) Chtimes(name string, at time.Time) error {
	return errors.Join(f.err("chtimes"), f.Disk.Chtimes(name, at))
}

type failingFile struct {
	list.TempFile
	fs *failing
}

func (f failingFile) Write(p []byte) (int, error) {
	if f.fs.err("write") != nil {
		n, _ := f.TempFile.Write(p[:len(p)/2])
		return n, errDisk
	}
	return f.TempFile.Write(p)
}

func (f failingFile) Sync() error  { return errors.Join(f.fs.err("sync"), f.TempFile.Sync()) }
func (f failingFile) Close() error { return errors.Join(f.fs.err("close"), f.TempFile.Close()) }

// A list that cannot be saved is in force all the same; the copy before it
// stays whole, and nothing half-written is left.
func TestSaveFaults(t *testing.T) {
	for _, op := range []string{"mkdir", "create", "write", "sync", "close", "rename"} {
		t.Run(op, func(t *testing.T) {
			f := newFeed(t, text("192.0.2.1\n"))
			fs, dir := &failing{}, t.TempDir()
			log, logs := logger()
			cfg := list.Config{Name: "l", URL: f.URL, Dir: dir, FS: fs, Log: log}
			l := open(t, cfg)
			if err := l.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.set(text("192.0.2.2\n"))
			fs.set(op)
			for range 2 {
				if err := l.Refresh(t.Context()); err != nil {
					t.Fatal("the list is refused because it cannot be saved:", err)
				}
			}
			if s := l.State(); !has(l, "192.0.2.2") || !strings.Contains(s.SaveError, errDisk.Error()) || s.Error != "" {
				t.Errorf("state %+v", s)
			}
			if n := logs.FilterMessageSnippet("not saved").Len(); n != 1 {
				t.Errorf("%d log lines", n)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("left in the directory: %v", entries)
			}
			if before := open(t, cfg); !has(before, "192.0.2.1") {
				t.Error("the copy before is lost")
			}
			fs.set("")
			if err := l.Refresh(t.Context()); err != nil || l.State().SaveError != "" || !has(open(t, cfg), "192.0.2.2") {
				t.Errorf("after the fault: %v, %+v", err, l.State())
			}
		})
	}
}

// A transport for tests of time: what it answers takes none.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func answer(status int, body string, fields ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(fields); i += 2 {
		h.Set(fields[i], fields[i+1])
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status), Header: h, Body: io.NopCloser(strings.NewReader(body)),
	}
}

// within reports whether a duration is about what it should be: jitter moves it
// by a tenth.
func within(got, want time.Duration) bool { return got >= want*9/10 && got <= want*11/10 }

func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards at and answers
		var at []time.Time
		answers := func(*http.Request) (*http.Response, error) { return answer(200, "192.0.2.1\n"), nil }
		next := func(f transport) {
			mu.Lock()
			defer mu.Unlock()
			answers = f
		}
		l := open(t, list.Config{
			Name: "l", URL: "https://feed.test/", Every: time.Hour, Timeout: time.Minute,
			Client: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				at = append(at, time.Now())
				f := answers
				mu.Unlock()
				return f(r)
			})},
		})
		begin := time.Now()
		fetched := func(n int) time.Duration { // waits for the n-th fetch; since the one before
			mu.Lock()
			defer mu.Unlock()
			for len(at) < n {
				mu.Unlock()
				time.Sleep(time.Second)
				synctest.Wait()
				mu.Lock()
			}
			return at[n-1].Sub(at[max(0, n-2)])
		}
		l.Start()
		if fetched(1); at[0].Sub(begin) > 2*time.Second || !has(l, "192.0.2.1") {
			t.Errorf("the first fetch came after %s", at[0].Sub(begin))
		}
		if d := fetched(2); !within(d, time.Hour) || d == time.Hour {
			t.Errorf("the second fetch came after %s", d)
		}
		next(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") })
		fetched(3)
		for i, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute} {
			if d := fetched(4 + i); !within(d, want) {
				t.Errorf("retry %d came after %s, want about %s", i+1, d, want)
			}
		}
		for n := 9; n < 14; n++ {
			if d := fetched(n); d > 66*time.Minute {
				t.Errorf("retry after %s, longer than the interval", d)
			}
		}
		next(func(*http.Request) (*http.Response, error) { return answer(503, "", "Retry-After", "7200"), nil })
		fetched(14)
		next(func(*http.Request) (*http.Response, error) { return answer(200, "192.0.2.2\n"), nil })
		if d := fetched(15); d < 2*time.Hour || d > 2*time.Hour+time.Minute {
			t.Errorf("Retry-After 7200 was followed after %s", d)
		}
		if d := fetched(16); !within(d, time.Hour) || !has(l, "192.0.2.2") || l.State().Failures != 0 {
			t.Errorf("after the recovery: %s, %+v", d, l.State())
		}
		// The end of a list during a fetch is no failure of its source.
		next(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() })
		fetched(17)
		_ = l.Destruct()
		if s := l.State(); s.Error != "" || !has(l, "192.0.2.2") {
			t.Errorf("after the end: %+v", s)
		}
	})
}

// A saved copy that is young is not fetched again at once: a process that is
// restarted often must not be a burden to the source.
func TestScheduleOfSaved(t *testing.T) {
	f := newFeed(t, text("192.0.2.1\n"))
	dir := t.TempDir()
	cfg := list.Config{Name: "l", URL: f.URL, Dir: dir, Every: time.Hour}
	if err := open(t, cfg).Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int32
		cfg.Client = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			fetched.Add(1)
			return answer(200, "192.0.2.2\n"), nil
		})}
		checked := time.Now().Add(-20 * time.Minute) // of the bubble's clock
		if err := os.Chtimes(filepath.Join(dir, "l.list"), checked, checked); err != nil {
			t.Fatal(err)
		}
		l := open(t, cfg)
		l.Start()
		time.Sleep(39 * time.Minute)
		synctest.Wait()
		if fetched.Load() != 0 || !has(l, "192.0.2.1") {
			t.Errorf("%d fetches while the copy is young", fetched.Load())
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if fetched.Load() != 1 || !has(l, "192.0.2.2") {
			t.Errorf("%d fetches when it is due", fetched.Load())
		}
		_ = l.Destruct()
	})
}

func TestRefreshCanceled(t *testing.T) {
	f := newFeed(t, text("192.0.2.1\n"))
	l := open(t, list.Config{Name: "l", URL: f.URL})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Refresh(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// Feeds have their keys in the query: neither state nor log nor error shows it.
func TestSecrets(t *testing.T) {
	f := newFeed(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	log, logs := logger()
	address := strings.Replace(f.URL, "http://", "http://user:hidden@", 1) + "/l?key=hidden"
	l := open(t, list.Config{Name: "l", URL: address, Log: log})
	err := l.Refresh(t.Context())
	text := fmt.Sprintf("%v %+v", err, l.State())
	for _, e := range logs.All() {
		text += fmt.Sprint(e.Message, e.ContextMap())
	}
	if err == nil || logs.Len() == 0 || strings.Contains(text, "hidden") || !strings.Contains(text, "/l?…") {
		t.Errorf("%s", text)
	}
}
