# SPDX-License-Identifier: Apache-2.0
from setuptools import find_packages, setup

package_name = 'avatar_node'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={package_name: ['*.xml']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    install_requires=['setuptools'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    maintainer='The avatar developers',
    maintainer_email='avatar@example.org',
    description='What every avatar node shares: parameters, QoS, start and stop, diagnostics.',
    license='Apache-2.0',
)
