package result

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile bounds what is read, so that a wrong path such as a device can't exhaust memory. A comparison
// of seven engines is about 200 KB.
const maxFile = 256 << 20

// Read reads a result file. Its errors say whether it is no result at all, damaged, or of a schema that
// this version doesn't know.
func Read(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB, so it is not a result file", path, maxFile>>20)
	}
	file, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return file, nil
}

// Parse reads the JSON of a result file and checks that its parts refer to each other.
func Parse(b []byte) (*File, error) {
	var head struct {
		Schema int `json:"schema"`
	}
	if err := json.Unmarshal(b, &head); err != nil || head.Schema == 0 {
		return nil, errors.New("not a result of this bench: it is not JSON with a schema number; bench compare --json writes one")
	}
	if head.Schema < 0 || head.Schema > Schema {
		return nil, fmt.Errorf("schema %d is unknown: this bench reads up to %d; use the version that wrote the file, or a newer one", head.Schema, Schema)
	}
	f := new(File)
	if err := json.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("damaged result file: %w", err)
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("damaged result file: %w", err)
	}
	return f, nil
}

func (f *File) check() error {
	for i, r := range f.Runs {
		switch {
		case r.Cell < 0 || r.Cell >= len(f.Cells):
			return fmt.Errorf("run %d is in cell %d of %d", i, r.Cell, len(f.Cells))
		case r.Contestant < 0 || r.Contestant >= len(f.Contestants):
			return fmt.Errorf("run %d is of contestant %d of %d", i, r.Contestant, len(f.Contestants))
		case r.Window < 0 || r.Server.CPU < 0 || r.Client.CPU < 0 || r.Round < 0:
			return fmt.Errorf("run %d has a negative time or round", i)
		}
	}
	for _, c := range f.Capacity {
		if c.Contestant < 0 || c.Contestant >= len(f.Contestants) {
			return fmt.Errorf("a capacity is of contestant %d of %d", c.Contestant, len(f.Contestants))
		}
	}
	return nil
}

// Encode writes the file as JSON.
func (f *File) Encode(w io.Writer) error {
	b, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Save writes what encode produces to path as a whole or not at all: a reader never sees half a file,
// and an interrupted run leaves the earlier one.
func Save(path string, encode func(io.Writer) error) error {
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		return fmt.Errorf("failed to write %s: %w", path, err)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(path, b.Bytes(), 0o666) // such as /dev/stdout, which can't be replaced
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		var named *fs.PathError // by a name that means nothing to the user
		if errors.As(err, &named) {
			err = named.Err
		}
		return fmt.Errorf("failed to write %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // has no effect once it was renamed
	_, err = f.Write(b.Bytes())
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
