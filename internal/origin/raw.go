package origin

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// defects are answers that HTTP forbids or that no proxy can be expected to
// store, each as the whole of what goes over the wire. The connection is
// closed afterwards. %FIELDS% stands for the fields of the script (cc, etag,
// h, …), %BODY% for its body, %N% and %X% for that body's length in decimal
// and hexadecimal, %MORE% for that length plus ten.
var defects = map[string]string{
	// RFC 9112 §6.3: less than Content-Length is incomplete; more is not part of the message.
	"length-short":    "HTTP/1.1 200 OK\r\n%FIELDS%Content-Length: %MORE%\r\n\r\n%BODY%",
	"length-long":     "HTTP/1.1 200 OK\r\n%FIELDS%Content-Length: %N%\r\n\r\n%BODY%HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nstowage",
	"length-negative": "HTTP/1.1 200 OK\r\n%FIELDS%Content-Length: -1\r\n\r\n%BODY%",
	"length-word":     "HTTP/1.1 200 OK\r\n%FIELDS%Content-Length: many\r\n\r\n%BODY%",
	"length-two":      "HTTP/1.1 200 OK\r\n%FIELDS%Content-Length: %N%\r\nContent-Length: %MORE%\r\n\r\n%BODY%",
	"length-chunked":  "HTTP/1.1 200 OK\r\n%FIELDS%Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n%X%\r\n%BODY%\r\n0\r\n\r\n",
	"until-close":     "HTTP/1.1 200 OK\r\n%FIELDS%Connection: close\r\n\r\n%BODY%", // legal, but its end cannot be proved
	"http10":          "HTTP/1.0 200 OK\r\n%FIELDS%\r\n%BODY%",                      // the same

	// RFC 9112 §7.1.
	"chunk-size":     "HTTP/1.1 200 OK\r\n%FIELDS%Transfer-Encoding: chunked\r\n\r\n%X%\r\n%BODY%\r\nzz\r\nmore\r\n0\r\n\r\n",
	"chunk-overflow": "HTTP/1.1 200 OK\r\n%FIELDS%Transfer-Encoding: chunked\r\n\r\n%X%\r\n%BODY%\r\nfffffffffffffffff\r\nmore\r\n0\r\n\r\n",
	"chunk-cut":      "HTTP/1.1 200 OK\r\n%FIELDS%Transfer-Encoding: chunked\r\n\r\n%X%\r\n%BODY%\r\n",
	"chunk-short":    "HTTP/1.1 200 OK\r\n%FIELDS%Transfer-Encoding: chunked\r\n\r\nffff\r\n%BODY%",
	"coding-unknown": "HTTP/1.1 200 OK\r\n%FIELDS%Transfer-Encoding: shuffle\r\n\r\n%BODY%",

	// RFC 9112 §4, §5.
	"eof":          "",
	"garbage":      "GARBAGE\r\n\r\n",
	"header-cut":   "HTTP/1.1 200 OK\r\n%FIELDS%Content-Length: 5",
	"status-99":    "HTTP/1.1 99 Low\r\n%FIELDS%Content-Length: %N%\r\n\r\n%BODY%",
	"status-999":   "HTTP/1.1 999 High\r\n%FIELDS%Content-Length: %N%\r\n\r\n%BODY%",
	"name-space":   "HTTP/1.1 200 OK\r\n%FIELDS%Bad Name: x\r\nContent-Length: %N%\r\n\r\n%BODY%",
	"name-none":    "HTTP/1.1 200 OK\r\n%FIELDS%: x\r\nContent-Length: %N%\r\n\r\n%BODY%",
	"value-nul":    "HTTP/1.1 200 OK\r\n%FIELDS%X-Nul: a\x00b\r\nContent-Length: %N%\r\n\r\n%BODY%",
	"value-latin1": "HTTP/1.1 200 OK\r\n%FIELDS%X-Latin: caf\xe9\r\nContent-Length: %N%\r\n\r\n%BODY%", // legal: obs-text
	"value-fold":   "HTTP/1.1 200 OK\r\n%FIELDS%X-Fold: a\r\n b\r\nContent-Length: %N%\r\n\r\n%BODY%",
	"header-huge":  "HTTP/1.1 200 OK\r\n%FIELDS%X-Huge: %2MiB%\r\nContent-Length: %N%\r\n\r\n%BODY%",
	"header-many":  "HTTP/1.1 200 OK\r\n%FIELDS%%10000FIELDS%Content-Length: %N%\r\n\r\n%BODY%",
	"vary-huge":    "HTTP/1.1 200 OK\r\n%FIELDS%Vary: %1000NAMES%\r\nContent-Length: %N%\r\n\r\n%BODY%",
}

// Defects are the names of the table above, sorted, for tests that play all.
func Defects() []string { return slices.Sorted(maps.Keys(defects)) }

// raw sends a defect, or the bytes of the option raw, and closes.
func (p *pacer) raw(r *http.Request, s *script) {
	text, err := s.rawAnswer(r)
	if err != nil {
		http.Error(p, "origin: "+err.Error(), http.StatusBadRequest)
		return
	}
	conn, rw := p.hijack()
	defer conn.Close()
	_, _ = rw.WriteString(text)
	_ = rw.Flush()
	if tcp, ok := conn.(*net.TCPConn); ok {
		// Closing with unread bytes would reset the connection and take the
		// answer with it: end only our direction, then read the other.
		_ = tcp.CloseWrite()
		_, _ = io.Copy(io.Discard, tcp)
	}
}

func (s *script) rawAnswer(r *http.Request) (string, error) {
	if s.raw != "" {
		return s.raw, nil
	}
	text, ok := defects[s.defect]
	if !ok {
		return "", fmt.Errorf("no defect %q", s.defect)
	}
	content, length := s.content(r)
	body, err := io.ReadAll(content)
	if err != nil {
		return "", err
	}
	fields := http.Header{}
	s.writeFields(fields, time.Now())
	var lines strings.Builder
	_ = fields.Write(&lines)
	return strings.NewReplacer(
		"%FIELDS%", lines.String(),
		"%BODY%", string(body),
		"%N%", fmt.Sprint(length),
		"%X%", fmt.Sprintf("%x", length),
		"%MORE%", fmt.Sprint(length+10),
		"%2MiB%", strings.Repeat("x", 2<<20),
		"%10000FIELDS%", strings.Repeat("X-Many: y\r\n", 10000),
		"%1000NAMES%", varyNames(1000),
	).Replace(text), nil
}

func varyNames(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("X-Vary-%d", i)
	}
	return strings.Join(names, ", ")
}
