// Package leak knows which fields of an answer tell what runs behind a proxy: the
// server and its software, its caches, balancers and clouds, its other names, and
// the identifiers and timings it gives requests.
//
//	Names   decides by name which fields go, and cleans headers and trailers
//	Status  what of a gRPC status tells more than the status (grpc.go)
//
// The list is in fields.go, each entry with what it tells of. Not on it are
// fields that clients need, whatever they tell: Set-Cookie, ETag, Date, Allow,
// those of CORS, of range requests and of caching. It keeps no state that
// matters: a Names may be used by any number of goroutines.
package leak

import (
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
)

// Options is what an administrator changes about the list.
type Options struct {
	Remove []string // more names or globs
	Keep   []string // names or globs that stay
	// Only, if it is not empty, makes an allow list of it: all other fields go, but
	// those that HTTP itself needs (carriage).
	Only []string
}

// Names decides by name which fields go.
type Names struct {
	exact             map[string]bool
	globs, keep, only []string

	// Names that were asked for: the globs are many, and the names of an origin
	// few. More than maxKnown are judged each time.
	known atomic.Pointer[map[string]bool]
	mu    sync.Mutex // of who adds to known
}

const maxKnown = 512

// New returns the list with what o changes. Names are compared in any case; a
// glob has the characters * and ? and sets, as in [path.Match].
func New(o Options) (*Names, error) {
	n := &Names{exact: make(map[string]bool)}
	for _, f := range fields {
		n.add(f.name)
	}
	for _, list := range []struct {
		from []string
		to   func(string)
	}{
		{o.Remove, n.add},
		{o.Keep, func(name string) { n.keep = append(n.keep, name) }},
		{o.Only, func(name string) { n.only = append(n.only, name) }},
	} {
		for _, name := range list.from {
			if err := check(name); err != nil {
				return nil, err
			}
			list.to(strings.ToLower(name))
		}
	}
	n.known.Store(&map[string]bool{})
	return n, nil
}

// check refuses what can be no name of a field (RFC 9110 §5.1) and no glob of
// some.
func check(name string) error {
	_, err := path.Match(name, "")
	if err != nil || name == "" || strings.ContainsAny(name, " \t:,;\"/{}()<>@=") {
		return fmt.Errorf("'%s' is neither the name of a field nor a glob", name)
	}
	return nil
}

func (n *Names) add(name string) {
	if strings.ContainsAny(name, `*?[\`) {
		n.globs = append(n.globs, name)
		return
	}
	n.exact[name] = true
}

// Match reports whether the field goes. The name of a trailer may bear the prefix
// by which net/http knows one that was not announced.
func (n *Names) Match(name string) bool {
	known := *n.known.Load()
	goes, ok := known[name]
	if !ok {
		goes = n.judge(strings.ToLower(strings.TrimPrefix(name, http.TrailerPrefix)))
		n.remember(strings.Clone(name), goes)
	}
	return goes
}

func (n *Names) remember(name string, goes bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := *n.known.Load()
	if len(before) >= maxKnown {
		return
	}
	after := make(map[string]bool, len(before)+1)
	for k, v := range before {
		after[k] = v
	}
	after[name] = goes
	n.known.Store(&after)
}

func (n *Names) judge(name string) bool {
	switch {
	case matchAny(n.keep, name):
		return false
	case len(n.only) > 0:
		return !carriage[name] && !matchAny(n.only, name)
	}
	return n.exact[name] || matchAny(n.globs, name)
}

func matchAny(globs []string, name string) bool {
	for _, g := range globs {
		if ok, _ := path.Match(g, name); ok {
			return true
		}
	}
	return false
}

// Clean deletes the fields that go from h, and their names from Trailer.
func (n *Names) Clean(h http.Header) {
	for name := range h {
		if n.Match(name) {
			delete(h, name)
		}
	}
	if announced, ok := h["Trailer"]; ok {
		n.cleanTrailer(h, announced)
	}
}

func (n *Names) cleanTrailer(h http.Header, announced []string) {
	var kept []string
	for _, line := range announced {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" && !n.Match(http.CanonicalHeaderKey(name)) {
				kept = append(kept, name)
			}
		}
	}
	if kept == nil {
		delete(h, "Trailer")
		return
	}
	h["Trailer"] = kept
}
