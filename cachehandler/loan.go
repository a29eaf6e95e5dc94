package cachehandler

import (
	"maps"
	"net/http"
	"sync"

	"github.com/caddy-portico/portico/cachehandler/store"
)

// loan is the leader's ResponseWriter, which the fetch may use until the leader
// takes it back: for informational responses, and for an answer that is not
// to be shared.
type loan struct {
	mu     sync.Mutex
	w      http.ResponseWriter // nil: never lent, or taken back
	taken  bool                // for good: the leader waits for the end
	reader *store.Reader       // instead: the leader's own, of the object to be shared
}

// attach opens the leader's reader before the filler could drop a byte.
func (l *loan) attach(b *store.Body) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w != nil {
		l.reader, _ = b.Open(0)
	}
}

// claim hands the reader to the leader.
func (l *loan) claim() *store.Reader {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reader
}

// take takes the writer for the whole answer; nil if the leader is gone.
func (l *loan) take() http.ResponseWriter {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken = l.w != nil
	return l.w
}

// revoke takes the writer back. It reports false if it is too late for that.
func (l *loan) revoke() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken {
		return false
	}
	l.w = nil
	if l.reader != nil {
		l.reader.Close()
	}
	return true
}

func (l *loan) isTaken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken
}

func (l *loan) open() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w != nil
}

// inform passes an informational response on at once (RFC 9110 §15.2,
// RFC 8297).
func (l *loan) inform(status int, header http.Header) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w == nil {
		return
	}
	h := l.w.Header()
	own := maps.Clone(h)
	setHeader(h, header)
	l.w.WriteHeader(status)
	setHeader(h, own)
}
