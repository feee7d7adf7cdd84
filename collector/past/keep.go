package past

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// keep copies what can be read only once, standard input and pipes, to temporary files, so that it can be read twice.
func (r *reading) keep(ctx context.Context) error {
	files := r.toScan()
	for i := range files {
		f := &files[i]
		if once, err := f.readsOnce(); err != nil || !once {
			continue // the reader reports an error
		}
		source := r.Stdin
		if f.Path != Stdin {
			pipe, err := f.open()
			if err != nil {
				return err
			}
			defer f.done(pipe)
			source = pipe
		}
		kept, err := r.copyOf(ctx, source)
		if err != nil {
			return fmt.Errorf("%s can be read only once, and keeping a copy in %s failed: %w; set TMPDIR to a folder "+
				"with room, or name files instead", f.name(), os.TempDir(), err)
		}
		f.kept = kept
	}
	return nil
}

// close removes the copies, and closes what was held.
func (r *reading) close() {
	for i := range r.scanned {
		for _, file := range []*os.File{r.scanned[i].kept, r.scanned[i].held} {
			if file != nil {
				file.Close()
			}
		}
	}
}

// copyOf copies a stream to a temporary file that is invisible to others and disappears when it is closed.
func (r *reading) copyOf(ctx context.Context, source io.Reader) (*os.File, error) {
	file, err := os.CreateTemp("", "fremisn-exporter-*.log")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return nil, err
	}
	p := &progress{out: r.Progress}
	p.start()
	defer p.stop()
	copied := make(chan error, 1)
	go func() {
		copied <- copyLog(file, counted{source, p})
	}()
	select {
	case err = <-copied:
	case <-ctx.Done(): // a read of a pipe may never end
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// copyLog copies a stream. Of one that cannot be a log, such as a device that never ends, it copies the beginning, in
// which the reader sees that.
func copyLog(to io.Writer, from io.Reader) error {
	head := make([]byte, 512)
	n, err := io.ReadFull(from, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	_, foreign := isCompressed(head[:n], "")
	if _, err := to.Write(head[:n]); err != nil || foreign != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return err
}
