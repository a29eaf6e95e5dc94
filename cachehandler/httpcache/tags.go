package httpcache

import (
	"slices"
	"strings"
)

// Tags: names by which stored responses are found together, for purging and for
// the cache groups of RFC 9875.
//
// A response's tags come from fields whose names the administrator gives, such
// as Surrogate-Key and Cache-Tag, and from Cache-Groups. Purging finds both by
// name. Invalidation by groups is between a response and others of the same
// origin only (RFC 9875 §2), so a group is a tag once more, together with its
// origin, in a form that no field can bring forth.

const (
	// maxTags and maxTagBytes bound the tags of one response. RFC 9875 §2 asks
	// for 32 groups of 32 characters at least; a page made of a few hundred
	// pieces of content has as many tags, and field lines end at about 16 KiB
	// with most servers.
	maxTags     = 1024
	maxTagBytes = 32 << 10
)

const cacheGroups = "Cache-Groups"

// DefaultTags are the fields that name purge tags where the administrator names
// none.
func DefaultTags() []string {
	return []string{cacheGroups, "Surrogate-Key", "Cache-Tag", "Xkey"}
}

// ForPurging reports a field, of those that name tags, which is for the cache
// alone. Cache-Groups is for every cache on the way, browsers' too (RFC 9875
// §2).
func ForPurging(name string) bool { return !strings.EqualFold(name, cacheGroups) }

// GroupTag is the tag of a cache group of an origin (see [Origin]).
func GroupTag(origin, group string) string { return "\x00" + origin + "\x00" + group }

// PlainTag returns the name in a tag, and the origin if it is that of a group.
func PlainTag(tag string) (name, origin string) {
	scoped, ok := strings.CutPrefix(tag, "\x00")
	if !ok {
		return tag, ""
	}
	origin, name, _ = strings.Cut(scoped, "\x00")
	return name, origin
}

// Origin is scheme, host and port (RFC 6454, RFC 9110 §4.3.1) as one string:
// in lower case, and without a port that the scheme implies.
func Origin(secure bool, host string) string {
	scheme, port := "http://", ":80"
	if secure {
		scheme, port = "https://", ":443"
	}
	return scheme + strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(host), port), ":")
}

// Tags are the tags of a stored response, sorted: those that the given fields
// (canonical names) name, and its groups as [GroupTag]s. ok is false if they are
// more than are kept; then nobody could rely on any of them, and the response is
// not to be stored (TooManyTags).
func (s *Stored) Tags(origin string, fields []string) (tags []string, ok bool) {
	groups := groupNames(s.Fields.Values(cacheGroups))
	for _, field := range fields {
		if strings.EqualFold(field, cacheGroups) {
			tags = append(tags, groups...)
			continue
		}
		for _, line := range s.Fields.Values(field) {
			tags = appendWords(tags, line)
		}
	}
	names := max(len(tags), len(groups))
	if names == 0 {
		return nil, true
	}
	for _, group := range groups {
		tags = append(tags, GroupTag(origin, group))
	}
	slices.Sort(tags)
	tags = slices.Compact(tags)
	bytes := 0
	for i, tag := range tags {
		tags[i] = strings.Clone(tag) // not the whole field, for each of them
		bytes += len(tag)
	}
	return tags, names <= maxTags && bytes <= maxTagBytes
}

// appendWords splits a line at whitespace and commas, one of which all the
// fields in use have between tags. It stops when there are too many.
func appendWords(tags []string, line string) []string {
	for word := range strings.FieldsFuncSeq(line, func(c rune) bool { return c == ' ' || c == '\t' || c == ',' }) {
		if len(tags) > maxTags {
			break
		}
		tags = append(tags, word)
	}
	return tags
}
