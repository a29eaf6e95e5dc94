package cachehandler

import (
	"slices"
	"strings"
	"time"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// This file counts, for an explanation, what an invalidation would drop: of the
// URL, of its host, of what is below the directories of its path, of its tags and
// groups. It looks at every object of the store once, without a lock that would make
// requests wait that store something.

// drops is how many objects would go.
type drops struct {
	URL         int          `json:"url"`            // purge of the URL, or a successful unsafe request: all variants, and all values of what else the key has
	Host        *hostDrop    `json:"host,omitempty"` // not there if the key has no host
	Prefixes    []prefixDrop `json:"prefixes"`       // of the URL, longest first
	Tags        []tagDrop    `json:"tags"`           // of what is stored for the URL
	TagsOmitted int          `json:"tags_omitted,omitempty"`
}

type hostDrop struct {
	Host    string `json:"host"`
	Objects int    `json:"objects"`
}

type prefixDrop struct {
	Prefix  string `json:"prefix"`
	Objects int    `json:"objects"`
}

type tagDrop struct {
	Tag     string `json:"tag"`
	Origin  string `json:"origin,omitempty"` // of a cache group: only what is of this origin
	Objects int    `json:"objects"`
}

// maxPrefixes bounds the directories that are counted, maxCounted the tags.
const (
	maxPrefixes = 16
	maxCounted  = 100
)

func (v *verdict) countDrops(x *exchange, objects []*store.Object) {
	if x.key == nil {
		return
	}
	tags := v.tagsOf(objects)
	uris := x.sameURIs()
	hosts := x.hostPrefixes()
	if hosts != nil {
		v.Drops.Host = &hostDrop{Host: string(appendHost(nil, x.r.TLS != nil, x.r.Host))}
	}
	for _, prefix := range prefixesOf(string(x.key[:x.ends.path]), x.pathAt()) {
		v.Drops.Prefixes = append(v.Drops.Prefixes, prefixDrop{Prefix: prefix})
	}
	_ = x.h.cache.tier.Range(x.r.Context(), func(o *store.Object) bool {
		if slices.ContainsFunc(uris, func(u sameURI) bool { return u.has(o) }) {
			v.Drops.URL++
		}
		if slices.ContainsFunc(hosts, func(host string) bool { return strings.HasPrefix(o.Key, host) }) {
			v.Drops.Host.Objects++
		}
		for i := range v.Drops.Prefixes {
			if strings.HasPrefix(o.Key, v.Drops.Prefixes[i].Prefix) {
				v.Drops.Prefixes[i].Objects++
			}
		}
		for _, tag := range o.Tags {
			if i, ok := tags[tag]; ok {
				v.Drops.Tags[i].Objects++
			}
		}
		return true
	})
}

// tagsOf begins the counts of the tags of objects, and says where each is.
func (v *verdict) tagsOf(objects []*store.Object) map[string]int {
	var tags []string
	for _, o := range objects {
		tags = append(tags, o.Tags...)
	}
	slices.Sort(tags)
	tags = slices.Compact(tags)
	v.Drops.TagsOmitted = max(0, len(tags)-maxCounted)
	at := make(map[string]int)
	for i, tag := range tags[:min(len(tags), maxCounted)] {
		name, origin := httpcache.PlainTag(tag)
		v.Drops.Tags = append(v.Drops.Tags, tagDrop{Tag: name, Origin: origin})
		at[tag] = i
	}
	return at
}

// sameURI is what the keys of a URI begin with.
type sameURI struct {
	key   string
	since time.Time // what has more in its key, and came before, is not used any more
}

// sameURIs are that of the request, and those under which there may be responses for
// equivalent ones.
func (x *exchange) sameURIs() (uris []sameURI) {
	add := func(key []byte) {
		uris = append(uris, sameURI{string(key), timeIn(x.h.cache.invalidated.slot(key))})
	}
	add(x.key[:x.ends.query])
	for _, e := range x.equivalents() {
		add(e.key[:e.ends.query])
	}
	return uris
}

// has reports an object of the URI: under its key alone, or with other parts behind
// it, or with the content of a QUERY.
func (u sameURI) has(o *store.Object) bool {
	rest, ok := strings.CutPrefix(o.Key, u.key)
	switch {
	case !ok:
		return false
	case rest == "":
		return true
	}
	return (rest[0] == ' ' || strings.HasPrefix(rest, string([]byte{separator, 'q'}))) && o.Head.ResponseTime.After(u.since)
}

// pathAt is where the path begins in the key.
func (x *exchange) pathAt() int {
	return len(x.h.Key.appendURI(nil, x.r.TLS != nil, x.r.Host, originalURL(x.r))) - len(appendPath(nil, originalURL(x.r)))
}

// hostPrefixes is what the keys of the host begin with, by scheme; nil if they do
// not have it.
func (x *exchange) hostPrefixes() []string {
	k := x.h.Key
	if k.noHost {
		return nil
	}
	host := string(appendHost(nil, x.r.TLS != nil, x.r.Host)) + "/"
	if k.noScheme {
		return []string{"//" + host}
	}
	return []string{"http://" + host, "https://" + host}
}

// prefixesOf are the directories of a path that begins at a position of its key.
func prefixesOf(key string, from int) (prefixes []string) {
	for end := len(key); len(prefixes) < maxPrefixes; {
		slash := strings.LastIndexByte(key[from:end], '/')
		if slash < 0 {
			break
		}
		prefixes = append(prefixes, key[:from+slash+1])
		end = from + slash
	}
	return prefixes
}
