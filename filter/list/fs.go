package list

import (
	"io"
	"io/fs"
	"os"
	"time"
)

// FS is what lists need of a file system: a seam for tests of its failures.
type FS interface {
	Open(name string) (fs.File, error)
	Stat(name string) (fs.FileInfo, error)
	MkdirAll(dir string) error
	// CreateTemp makes a new file in dir for writing.
	CreateTemp(dir, pattern string) (TempFile, error)
	Rename(from, to string) error
	Remove(name string) error
	Chtimes(name string, mtime time.Time) error
}

// A TempFile is a file that becomes another by being renamed.
type TempFile interface {
	io.Writer
	Name() string
	Sync() error
	Close() error
}

// Disk is the machine's file system.
type Disk struct{}

// Open opens a file for reading.
func (Disk) Open(name string) (fs.File, error) { return os.Open(name) }

// Stat follows symbolic links: what they point at is what is read.
func (Disk) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// MkdirAll makes a directory that only its owner can read.
func (Disk) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

// CreateTemp makes a file with a new name.
func (Disk) CreateTemp(dir, pattern string) (TempFile, error) { return os.CreateTemp(dir, pattern) }

// Rename replaces what was there.
func (Disk) Rename(from, to string) error { return os.Rename(from, to) }

// Remove removes a file.
func (Disk) Remove(name string) error { return os.Remove(name) }

// Chtimes sets the modification time.
func (Disk) Chtimes(name string, mtime time.Time) error { return os.Chtimes(name, mtime, mtime) }

var _ FS = Disk{}
