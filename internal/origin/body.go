package origin

import (
	"errors"
	"fmt"
	"io"
)

// patternSize is the period of the generated bodies: a prime, so that bytes
// which moved by any whole number of blocks, pages or segments are noticed.
const patternSize = 65521

// pattern is one period: pseudo-random lower-case letters and digits, which
// may stand in a Caddyfile, in JSON and in a terminal.
var pattern = func() []byte {
	const alphabet = "abcdefghijklmnopqrstuvwxyz012345"
	p := make([]byte, patternSize)
	state := uint32(2463534242)
	for i := range p { // xorshift32 (Marsaglia 2003)
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		p[i] = alphabet[state>>27]
	}
	return p
}()

// Body returns the n bytes that the option n=<n> together with seed=<seed>
// sends (seed is 0 without that option), generated while it is read.
func Body(n int64, seed int) io.ReadSeeker {
	return &body{size: n, seed: int64(seed)}
}

// Bytes is Body in memory, for bodies small enough to compare.
func Bytes(n int64, seed int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(Body(n, seed), b); err != nil {
		panic(err) // Body is not shorter than its size
	}
	return b
}

// Verify reads r to its end and returns how much it read, with an error
// at the first byte that is not Body's. It does not judge the length.
func Verify(r io.Reader, seed int) (int64, error) {
	buf := make([]byte, 64<<10)
	want := &body{size: 1 << 62, seed: int64(seed)}
	var read int64
	for {
		n, err := r.Read(buf)
		for got := buf[:n]; len(got) > 0; {
			expected := want.next(len(got))
			if string(got[:len(expected)]) != string(expected) {
				return read, fmt.Errorf("body differs within %d bytes after offset %d", len(expected), read)
			}
			got = got[len(expected):]
			read += int64(len(expected))
		}
		if errors.Is(err, io.EOF) {
			return read, nil
		}
		if err != nil {
			return read, err
		}
	}
}

// body is a reader of size bytes out of the endless repetition of pattern,
// which a seed shifts.
type body struct {
	size, seed, at int64
}

// next consumes and returns up to max bytes, without copying.
func (b *body) next(limit int) []byte {
	start := (b.at + b.seed*7919) % patternSize
	n := min(int64(limit), b.size-b.at, patternSize-start)
	b.at += n
	return pattern[start : start+n]
}

func (b *body) Read(p []byte) (int, error) {
	if b.at >= b.size {
		return 0, io.EOF
	}
	return copy(p, b.next(len(p))), nil
}

// WriteTo hands the pattern itself to w.
func (b *body) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for b.at < b.size {
		n, err := w.Write(b.next(patternSize))
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

func (b *body) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return 0, errors.New("origin: seek before the start")
	}
	b.at = offset
	return offset, nil
}
