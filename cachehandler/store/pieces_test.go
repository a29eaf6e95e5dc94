package store

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// A body of pieces is the body of their bytes, holds few segments however many
// pieces there are, and can be filled further.
func TestBodyAfterPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, sizes := range [][]int{
		{},
		{0},
		{1},
		{0, 3, 0, 4},
		{firstSegment, 1},
		{1, firstSegment},
		{firstSegment + 1, firstSegment + 1},
		{10, 20, firstSegment, 30, largestSegment + 5, 1, 1, 1},
	} {
		var pieces [][]byte
		var want []byte
		for _, n := range sizes {
			p := make([]byte, n)
			for i := range p {
				p[i] = byte(rng.Uint32())
			}
			pieces, want = append(pieces, p), append(want, p...)
		}
		complete := BodyOf(pieces...)
		checkPieces(t, complete, want)
		if held := complete.Held(); held != int64(len(want)) {
			t.Errorf("%v: holds %d bytes, has %d", sizes, held, len(want))
		}

		b := NewBodyAfter(int64(len(want)+7), pieces...)
		held, _ := accounted(b)
		if err := b.Append(t.Context(), []byte("the end")); err != nil {
			t.Fatal(err)
		}
		b.Complete()
		checkPieces(t, b, append(bytes.Clone(want), "the end"...))
		if held() != b.Held() {
			t.Errorf("%v: accounted for %d bytes, holds %d", sizes, held(), b.Held())
		}
	}
}

func checkPieces(t *testing.T, b *Body, want []byte) {
	t.Helper()
	slices, ok := b.Slices(nil, 0, int64(len(want)))
	if got := bytes.Join(slices, nil); !ok || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v, want %d", len(got), ok, len(want))
	}
}

// One bit after the other makes no long list of segments.
func TestBodyOfManyBits(t *testing.T) {
	b := BodyOf()
	for range 3 * firstSegment / 1000 {
		n, _ := b.Length()
		pieces, _ := b.Slices(nil, 0, n)
		b = BodyOf(append(pieces, make([]byte, 1000))...)
	}
	if n := len(b.table.Load().segments); n > 6 {
		t.Errorf("%d segments, want a handful", n)
	}
}
