// Package store holds what the cache keeps: objects (a frozen head and a body
// that may still be arriving) and the interface of the tiers that hold them.
package store

import (
	"context"
	"errors"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// ErrFull is what Put returns when a tier takes nothing new for now: what it has
// dropped is still being read, and takes too much memory already. It is no
// failure of the tier; the response is just not stored.
var ErrFull = errors.New("store is full of what is still being read")

// Object is one stored response: an immutable head and a body with exactly one
// filler and any number of readers. A freshened response is a new Object with
// the same Body. That of a part holds the bytes of its range (see Head.Part).
type Object struct {
	Key  string
	Head *httpcache.Stored
	Body *Body
	// Tags are what it can be found by beside its key, each once; nil for none.
	// Which they are is the affair of httpcache.
	Tags []string
	// Layers is how Head's fields lie over those of the handlers before the
	// cache.
	Layers Layers
	// Supersedes is the head of an object with another Vary that this one takes the
	// place of: that one stays until this one's body is complete, and is no match
	// beside it. nil for none.
	Supersedes *httpcache.Stored
}

// WithHead returns the object that a fresher head makes of o.
func (o *Object) WithHead(head *httpcache.Stored) *Object {
	fresh := *o
	fresh.Head = head
	return &fresh
}

// Tier holds objects. The objects of one key are its variants (RFC 9111 §4.1),
// and parts of them (Head.Part).
// All methods are safe for concurrent use. An error means the tier could not
// answer; the cache then goes to the origin.
//
// A tier with a budget drops objects on its own, those whose bodies are still
// filling too. It detaches such a body (see Body.Detach); Settle, Remove,
// RemoveKey and RemoveTag leave the bodies of what they drop alone.
type Tier interface {
	// Get returns the objects of a key, newest first. The caller must not
	// change the slice nor keep key.
	Get(ctx context.Context, key []byte) ([]*Object, error)
	// Peek is Get for those who only look: it is no use of the objects.
	Peek(ctx context.Context, key []byte) ([]*Object, error)
	// Put adds an object whose body may still be filling: from now on Get
	// returns it. Older objects of the same Variant stay until Settle.
	// maxVariants bounds how many different variants the key holds; the oldest
	// goes first.
	Put(ctx context.Context, o *Object, maxVariants int) error
	// Settle is called by the filler when o's body is complete: older objects
	// of its key with the same Head.Variant and Head.Vary are dropped.
	Settle(ctx context.Context, o *Object) error
	// Replace puts new in place of old: a freshened head on the same body, or
	// parts put together (RFC 9111 §3.4), with a body of their own. It reports
	// false if old is no longer there.
	Replace(ctx context.Context, old, new *Object) (bool, error)
	// Remove drops one object; RemoveKey all of a key, and says how many.
	Remove(ctx context.Context, o *Object) error
	RemoveKey(ctx context.Context, key string) (int, error)
	// Tagged returns the objects with a tag, in no order. RemoveTag drops them,
	// and says how many. Both take time by the number of these, not of all.
	Tagged(ctx context.Context, tag string) ([]*Object, error)
	RemoveTag(ctx context.Context, tag string) (int, error)
	// Range calls f for every object until it returns false, in no order.
	Range(ctx context.Context, f func(*Object) bool) error
	// Stats is a snapshot.
	Stats() Stats
	// Close releases what the tier holds.
	Close() error
}

// Stats is a tier's state.
type Stats struct {
	Objects   int64 `json:"objects"`
	Bytes     int64 `json:"bytes"`  // held now, heads and index included
	Budget    int64 `json:"budget"` // at most
	Evictions int64 `json:"evictions"`
}
