package list

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/caddy-portico/portico/filter/address"
)

// How failed fetches are repeated: after retryFirst, then after twice as long
// each time, at most as seldom as the list is fetched anyway. A server that is
// down is not asked by everybody in the same second: jitter spreads the waits.
const (
	retryFirst    = 30 * time.Second
	maxRetryAfter = 24 * time.Hour
	jitter        = 0.1 // of a wait, added or taken
	// firstWait at most passes before the first fetch, or the one that was due
	// while the process was down.
	firstWait = 2 * time.Second
)

// A urlSource fetches a list, conditionally if it has one (RFC 9110 §13.1).
type urlSource struct {
	meta meta // of the set in force
	// after is the earliest time for the next fetch that the server asked for.
	after time.Time
	first bool // no fetch was tried yet
}

// load reads the last good copy. One that is missing, or of another URL, or
// broken, is none: the fetch that follows replaces it.
func (u *urlSource) load(l *List) error {
	u.first = true
	if l.cfg.Dir == "" {
		return nil
	}
	m, set, report, err := readSaved(l.cfg)
	if err != nil {
		l.logUnreadable(err)
		return nil
	}
	if set != nil {
		u.meta = m
		l.adopt(set, report, m.Checked)
	}
	return nil
}

// wait returns the time to the next fetch: soon if the copy from the disk is
// older than the interval or there is none, and later with each failure.
func (u *urlSource) wait(l *List, failures int) time.Duration {
	now := time.Now()
	wait := spread(l.cfg.Every)
	if u.first {
		due := time.Duration(rand.Int64N(int64(firstWait)))
		if left := u.meta.Checked.Add(l.cfg.Every).Sub(now); !u.meta.Checked.IsZero() {
			due = max(due, min(left, l.cfg.Every)) // a clock set back must not stop the fetches
		}
		return due
	}
	if failures > 0 {
		backOff := retryFirst << min(failures-1, 16)
		wait = spread(min(backOff, l.cfg.Every))
	}
	return max(wait, u.after.Sub(now))
}

func spread(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()*2-1)*jitter*float64(d))
}

func (u *urlSource) refresh(ctx context.Context, l *List) error {
	u.first, u.after = false, time.Time{}
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.cfg.URL, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "Portico (+https://github.com/caddy-portico/portico)")
	u.meta.condition(req.Header)
	resp, err := l.cfg.Client.Do(req)
	if err != nil {
		return fmt.Errorf("fetching %s: %w", l.cfg.Source(), cause(err))
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && !u.meta.Checked.IsZero():
		return u.confirm(l)
	case resp.StatusCode != http.StatusOK:
		u.after = retryAfter(resp.Header, time.Now())
		return fmt.Errorf("fetching %s: status %s", l.cfg.Source(), resp.Status)
	}
	return u.take(l, resp)
}

// cause returns an error without the URL that net/http puts in front of it.
func cause(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		return withURL.Err
	}
	return err
}

// confirm notes that the set in force is still the newest.
func (u *urlSource) confirm(l *List) error {
	u.meta.Checked = time.Now()
	l.update(func(s *State) { s.Checked = u.meta.Checked })
	err := touchSaved(l.cfg, u.meta.Checked)
	if err != nil { // ask for the whole list next time, to save it
		u.meta.ETag, u.meta.LastModified = "", ""
	}
	l.noteSave(err)
	return nil
}

func (u *urlSource) take(l *List, resp *http.Response) error {
	body, err := readBody(resp.Body, l.cfg.MaxSize)
	if err != nil {
		return fmt.Errorf("fetching %s: %w", l.cfg.Source(), err)
	}
	set, report, err := l.cfg.Parse(bytes.NewReader(body))
	if err == nil && set.Len() == 0 {
		err = address.ErrEmpty
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.cfg.Source(), err)
	}
	u.meta = meta{
		URL: l.cfg.URL, Checked: time.Now(),
		ETag: resp.Header.Get("ETag"), LastModified: resp.Header.Get("Last-Modified"),
	}
	l.adopt(set, report, u.meta.Checked)
	l.noteSave(save(l.cfg, u.meta, body))
	return nil
}

// readBody reads a list that may be a gzip file (the transport has already
// undone a gzip Content-Encoding). A body that ends early is an error: by its
// Content-Length or last chunk for the transport, by its trailer for gzip.
func readBody(r io.Reader, limit int64) ([]byte, error) {
	buffered := bufio.NewReader(r)
	r = buffered
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, err
		}
		r = unzipped
	}
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("the list is larger than %d bytes", limit)
	}
	return body, nil
}

// retryAfter reads the field of that name (RFC 9110 §10.2.3).
func retryAfter(h http.Header, now time.Time) time.Time {
	value := h.Get("Retry-After")
	at, err := http.ParseTime(value)
	if seconds, errNum := strconv.ParseUint(value, 10, 31); errNum == nil {
		at, err = now.Add(time.Duration(seconds)*time.Second), nil
	}
	if err != nil {
		return time.Time{}
	}
	if latest := now.Add(maxRetryAfter); at.After(latest) {
		return latest
	}
	return at
}

// newClient makes a client for fetches far apart: a kept connection would only
// be closed by the server before the next one. It follows redirections, but not
// from TLS to plain HTTP.
func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	return &http.Client{
		Transport: transport,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			const most = 5
			if len(via) >= most {
				return fmt.Errorf("more than %d redirections", most)
			}
			if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
				return errors.New("redirected from https to " + req.URL.Scheme)
			}
			return nil
		},
	}
}
