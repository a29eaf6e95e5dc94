package hashing

import "testing"

func BenchmarkPick(b *testing.B) {
	for name, build := range pickers {
		p := build(equal(10))
		k := key(1)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Pick(k, nil)
			}
		})
	}
}

func BenchmarkSum(b *testing.B) {
	for b.Loop() {
		sink = Sum("2001:db8::1234:5678")
	}
}

func BenchmarkNewMaglev(b *testing.B) {
	n := equal(10)
	for b.Loop() {
		NewMaglev(n)
	}
}
