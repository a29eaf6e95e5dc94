//go:build !race

package lbsim

const raceDetector = false
