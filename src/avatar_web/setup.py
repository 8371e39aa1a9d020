# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from setuptools import find_packages, setup

package_name = 'avatar_web'
package = Path(__file__).parent / package_name

# Named one by one: the setuptools of Humble knows no '**' in package_data.
static = [str(path.relative_to(package))
          for path in sorted((package / 'static').rglob('*')) if path.is_file()]

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={package_name: static},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    install_requires=['setuptools', 'aiohttp>=3.14.2', 'argon2-cffi', 'cryptography'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    maintainer='The avatar developers',
    maintainer_email='avatar@example.org',
    description='The one door of the robot: page, accounts, TLS, and the rosbridge gateway.',
    license='Apache-2.0',
    entry_points={'console_scripts': ['gateway = avatar_web.node:main']},
)
