"""The daemon as a service manager keeps it: started again whenever it ends."""
import subprocess
import sys
import threading
import time

from wasmd import Daemon

AGAIN = 0.1  # seconds from an end to the next start
DISK = '48m'


class Service(Daemon):
    def __init__(self, family, **kw):
        super().__init__(**kw)
        self.family, self.births, self.wanted = family, 0, False
        self.keeper = None

    def small_disk(self):
        """The state directory gets a file system of its own, in this mount namespace."""
        subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={DISK},mode=0755', 'wasmd-chaos',
                        self.state], check=True)

    def spawn(self, command, **kw):
        self.births += 1
        return self.family.start(command, **kw)

    def keep(self):
        """Starts it and goes on starting it, until rest()."""
        self.start()
        self.wanted = True
        self.keeper = threading.Thread(target=self.watch)
        self.keeper.start()

    def watch(self):
        while self.wanted:
            if self.proc.poll() is not None:
                self.family.forget(self.proc)
                time.sleep(AGAIN)
                if self.wanted:
                    self.begin()
            self.family.reap()
            time.sleep(0.02)

    def rest(self):
        """From now on an end is an end; it is up when this returns."""
        self.wanted = False
        self.keeper.join()
        if self.proc.poll() is not None:
            self.family.forget(self.proc)
            self.start()
        else:
            self.ready()

    def said(self):
        return (self.dir / 'daemon.log').read_text(errors='replace')

    def close(self):
        self.wanted = False
        if self.keeper is not None:
            self.keeper.join()
        subprocess.run(['umount', '-l', self.state], stderr=subprocess.DEVNULL)
        super().close()
        sys.stdout.flush()
