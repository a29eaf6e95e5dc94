package cachehandler

import (
	"slices"
	"strings"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// This file counts, for an explanation, what an invalidation would drop: of the
// URL, of its host, of what is below the directories of its path, of its tags and
// groups. It looks at every object of the store once.

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

func (v *verdict) countDrops(x *exchange) {
	v.Drops.Prefixes = []prefixDrop{}
	if x.key == nil {
		return
	}
	uri := string(x.key[:x.ends.query])
	same := [][]byte{}
	if x.query == nil && !x.h.Key.noSearch {
		same = x.h.cache.equivalents(x.key, x.ends)
	}
	hosts := x.hostPrefixes()
	if hosts != nil {
		v.Drops.Host = &hostDrop{Host: string(appendHost(nil, x.r.TLS != nil, x.r.Host))}
	}
	for _, prefix := range prefixesOf(string(x.key[:x.ends.path]), x.pathAt()) {
		v.Drops.Prefixes = append(v.Drops.Prefixes, prefixDrop{Prefix: prefix})
	}
	since := timeIn(x.h.cache.invalidated.slot([]byte(uri))) // what else has it is not used any more, if it came before
	_ = x.h.cache.tier.Range(x.r.Context(), func(o *store.Object) bool {
		if o.Key == uri || isOf(o.Key, uri) && o.Head.ResponseTime.After(since) || slices.ContainsFunc(same, func(key []byte) bool { return string(key) == o.Key }) {
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
		return true
	})
}

// isOf reports a key of a URI: alone, or with other parts behind it, or with the
// content of a QUERY.
func isOf(key, uri string) bool {
	rest, ok := strings.CutPrefix(key, uri)
	return ok && (rest == "" || rest[0] == ' ' || strings.HasPrefix(rest, string([]byte{separator, 'q'})))
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

func (v *verdict) countTags(x *exchange, objects []*store.Object) {
	var tags []string
	for _, o := range objects {
		tags = append(tags, o.Tags...)
	}
	slices.Sort(tags)
	tags = slices.Compact(tags)
	v.Drops.TagsOmitted = max(0, len(tags)-maxCounted)
	for _, tag := range tags[:min(len(tags), maxCounted)] {
		tagged, err := x.h.cache.tier.Tagged(x.r.Context(), tag)
		if err != nil {
			continue
		}
		name, origin := httpcache.PlainTag(tag)
		v.Drops.Tags = append(v.Drops.Tags, tagDrop{Tag: name, Origin: origin, Objects: len(tagged)})
	}
}
