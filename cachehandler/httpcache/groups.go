package httpcache

import (
	"net/http"
	"slices"

	"github.com/dunglas/httpsfv"
)

// Cache groups (RFC 9875): names that an origin gives to sets of responses, so
// that a change can invalidate all of one. A group belongs to one origin, and
// two names are the same if they are so byte for byte.

// Groups are the groups of a response (§2).
func Groups(response http.Header) []string {
	return groupNames(response["Cache-Groups"])
}

// InvalidatedGroups are the groups whose stored responses an answer to an
// unsafe method invalidates (§3). It is ignored on answers to safe methods, so
// that nobody can empty a cache by reading, and on errors as in RFC 9111 §4.4.
// Responses that share another group with these stay.
func InvalidatedGroups(method string, status int, response http.Header) []string {
	if isSafe(method) || status < 200 || status > 399 {
		return nil
	}
	return groupNames(response["Cache-Group-Invalidation"])
}

// groupNames parses a List of Strings. A field that is none is ignored (RFC
// 9651 §4.2), and so are parameters, and names beyond maxTags but one, by which
// those who care see that there were more.
func groupNames(lines []string) (names []string) {
	if len(lines) == 0 {
		return nil
	}
	list, err := httpsfv.UnmarshalList(lines)
	if err != nil {
		return nil
	}
	for _, member := range list {
		item, ok := member.(httpsfv.Item)
		if !ok {
			return nil
		}
		name, ok := item.Value.(string)
		if !ok {
			return nil
		}
		if len(names) <= maxTags && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
