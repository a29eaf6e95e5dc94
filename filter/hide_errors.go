package filter

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// The pages of an origin's errors are those of its software, with traces and
// paths on its disk. They become errors of Caddy's own, with the same status.

// validateErrors says what is wrong with the statuses of `errors`.
func validateErrors(words []string) error {
	for _, word := range words {
		code, err := strconv.Atoi(word)
		switch {
		case word == "4xx" || word == "5xx":
		case word == wordOff && len(words) == 1:
		case word == wordOff:
			return errors.New("off stands alone")
		case err != nil || code < 400 || code > 599:
			return fmt.Errorf("'%s' is neither 4xx, 5xx, off nor a status from 400 to 599", word)
		}
	}
	return nil
}

// replaces reports an answer of which only the status is passed on.
func (h *HideOrigin) replaces(status int, header http.Header) bool {
	if status < 400 || status > 599 || isGRPC(header) {
		return false
	}
	code := strconv.Itoa(status)
	return slices.Contains(h.Errors, code) || slices.Contains(h.Errors, code[:1]+"xx")
}

// acted on: the fields that stay when an answer is replaced. All else is about the
// content that goes, or about nothing a client needs.
var actedOn = map[string]bool{
	"Allow": true, "Cache-Control": true, "Connection": true, "Date": true, "Expires": true, "Pragma": true,
	"Retry-After": true, "Set-Cookie": true, "Strict-Transport-Security": true, "Vary": true, "Www-Authenticate": true,
}

// hide begins to replace an answer.
func (w *hidingWriter) hide(status int) {
	w.hidden = status
	header := w.Header()
	for name := range header {
		if w.own[name] == nil && !actedOn[name] && !strings.HasPrefix(name, "Access-Control-") {
			delete(header, name)
		}
	}
	w.lead(header)
}

// instead is the error that becomes the answer.
func (w *hidingWriter) instead() error {
	return caddyhttp.Error(w.hidden, fmt.Errorf("hide_origin: the origin answered %d %s", w.hidden, http.StatusText(w.hidden)))
}

// maxSwallowed is how much content of an answer that is replaced is read, to use
// the connection again; then it is broken off.
const maxSwallowed = 256 << 10

var errReplaced = errors.New("the answer is replaced")

func (w *hidingWriter) swallow(p []byte) (int, error) {
	if w.swallowed += len(p); w.swallowed > maxSwallowed {
		return 0, errReplaced
	}
	return len(p), nil
}
