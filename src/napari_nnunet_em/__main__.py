"""``python -m napari_nnunet_em`` is the command ``napari-nnunet-em``."""

import sys

from napari_nnunet_em.cli import main

if __name__ == "__main__":
    sys.exit(main())
